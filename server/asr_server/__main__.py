"""`python -m asr_server` is `asr-server`."""

from asr_server.main import main

raise SystemExit(main())
