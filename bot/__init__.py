"""The life of a conversation: intake, turn, handoff, delivery, store, console, command line, composition."""
