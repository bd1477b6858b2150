"""`--format` templates: the part of Go's text/template that docker's users use.

Reading order: `lexer` (text → tokens) · `parser` (tokens → tree) · `evaluate` (tree + data → text) · `functions`.
"""
