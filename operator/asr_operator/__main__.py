"""`python -m asr_operator`: the same as the console script `asr-operator`."""

from asr_operator import main

if __name__ == "__main__":
    main.main()
