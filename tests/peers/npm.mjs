// Recognise a file with the npm package funasr-client, as its README shows, and print what came.
// node --experimental-websocket npm.mjs PACKAGE_FILE URL SPEECH.wav MODE
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [packageFile, url, speech, mode] = process.argv.slice(2);
const { FunASRClient } = await import(pathToFileURL(packageFile).href);
const client = new FunASRClient({
  url,
  decode: true,
  onMessage: (message) => console.log(JSON.stringify(message)),
  config: { mode, wav_name: "speech", wav_format: "pcm", audio_fs: 16000, hotwords: { 阳台: 20 } },
});
await client.connect();
const samples = readFileSync(speech).subarray(44);
for (let start = 0; start < samples.length; start += 9600) {
  client.send(new Uint8Array(samples.subarray(start, start + 9600)));
}
await client.close();
