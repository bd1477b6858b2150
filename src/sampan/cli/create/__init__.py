"""From `docker run`'s hundred flags to the one body of POST /containers/create.

Reading order: `flags` (the flags) · `body` (the body, field by field) · and what single flags need: `resources`,
`environment`, `storage`, `ports`, `network`, `security`, `devices`, `health`.
"""
