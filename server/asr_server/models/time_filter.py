"""Filters over time, one per channel: the memories of FSMN and SANM layers.

On a CPU the channels stay the innermost dimension. Given a transposed tensor, torch's
one-dimensional convolution copies it and takes three to ten times as long (torch with oneDNN).
"""

import torch
from torch import Tensor
from torch.nn import functional


def filter_time(inputs: Tensor, weight: Tensor, left: int = 0, right: int = 0) -> Tensor:
    """Filter (rows, time, size) by a depthwise `weight` (size, 1, taps).

    So many zeros are thought before and after each row. Returns (rows, left + time + right - taps +
    1, size); on a GPU its time is the innermost dimension.
    """
    if left != right:
        inputs, left = functional.pad(inputs, (0, 0, left, right)), 0
    if inputs.is_cuda:
        filtered = functional.conv1d(
            inputs.transpose(1, 2), weight, padding=left, groups=len(weight)
        )
        return filtered.transpose(1, 2)
    image = inputs.contiguous().unsqueeze(1).permute(0, 3, 1, 2)
    taps = weight.unsqueeze(2).contiguous(memory_format=torch.channels_last)
    filtered = functional.conv2d(image, taps, padding=(0, left), groups=len(weight))
    return filtered.permute(0, 2, 3, 1).squeeze(1)
