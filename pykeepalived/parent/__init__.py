"""The parent process: the only one that reads configuration; owns life, death, reload and the operator's socket."""
