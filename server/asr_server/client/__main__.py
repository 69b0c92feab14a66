"""`python -m asr_server.client` is `asr-client`."""

from asr_server.client.main import main

raise SystemExit(main())
