"""What the plugin cannot do, for whatever reason."""


class PluginError(Exception):
    """Something that the user asked for cannot be done; the message says what to do."""
