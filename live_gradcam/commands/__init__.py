"""What each command of the command line does; every module is imported only when it runs."""
