"""The speech models as our own torch modules: batched across sessions, on CPU and CUDA alike.

Their `state_dict` keys equal FunASR's, so that FunASR checkpoints load strictly. Only the engine
imports this package; nothing in it knows sockets, sessions or queues.
"""
