"""Three schemes of FastAPI, finished. Copy a file into your project: none imports this one."""
