"""`asr-bench`: an open-loop load of people who speak, on any server of FunASR's protocol.

Sessions speak in real time whether or not the server keeps up, and each answer is compared with
what was said. Of ours it knows the client and speech alone: nothing of the server is imported.
"""
