"""The one exception for anything an operator can mend in the configuration."""


class ConfigError(Exception):
    """A setting or data file is wrong.

    The message is one sentence for the operator: it names the file or environment variable, the key, and what to do.
    """
