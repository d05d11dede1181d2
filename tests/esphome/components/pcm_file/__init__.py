"""A microphone for tests on a computer: 16-bit samples read from a file or a named pipe."""
