"""Tests of files that may not be read, run by whatever user."""

WITHOUT_PRIVILEGES = """
import ctypes, os

if os.getuid() == 0:  # the superuser reads everything; without capabilities it is the owner of its files and no more
    header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert ctypes.CDLL(None, use_errno=True).capset(header, none) == 0, os.strerror(ctypes.get_errno())
"""
"""First code of a separate process (Linux, capset(2), version 3)."""
