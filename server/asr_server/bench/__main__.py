"""`python -m asr_server.bench` is `asr-bench`."""

from asr_server.bench.main import main

raise SystemExit(main())
