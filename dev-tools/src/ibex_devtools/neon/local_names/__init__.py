"""This directory alone goes on the path of a process that must find the stand-in: see sitecustomize."""
