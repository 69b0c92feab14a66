// In place of FunASR's own precomp.h, which takes in its whole inference library: only what the
// sources of its two WebSocket clients need. They never cut audio by VAD, so that a VAD without a
// body is enough for the code that could.
#pragma once
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <deque>
#include <fstream>
#include <iostream>
#include <list>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include <glog/logging.h>

using namespace std;
#include "audio.h"
#include "com-define.h"
#include "encode_converter.h"
#include "offline-stream.h"
#include "resample.h"
#include "tensor.h"
#include "tpass-online-stream.h"
#include "tpass-stream.h"
#include "util.h"

namespace funasr {
class FsmnVad : public VadModel {};
class FsmnVadOnline : public VadModel {
 public:
  explicit FsmnVadOnline(FsmnVad*) {}
  void InitVad(const std::string&, const std::string&, const std::string&, int) override {}
  std::vector<std::vector<int>> Infer(std::vector<float>&, bool) override { return {}; }
  int GetVadSampleRate() override { return 0; }
};
}  // namespace funasr
