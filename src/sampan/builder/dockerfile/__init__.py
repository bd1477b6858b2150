"""The language of Dockerfiles: text → nodes (`lexer`) → instructions (`parse`) → stages (`stages`), and warnings
(`lint`).
"""
