"""The Docker Engine API over HTTP: routes parse wire, call one function, render wire."""
