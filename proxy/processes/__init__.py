"""The processes of the program, and the proxy inside another one."""
