"""sampan completion: the script that teaches a shell our commands, flags and names.

The scripts hold no knowledge of their own: they ask `sampan __complete WORD…`, so they never get old.
"""

from __future__ import annotations

from sampan.cli.command import ANY, Call, Command, Failure
from sampan.cli.complete import candidates

SHELLS = {
    "bash": """\
_sampan() {
    local IFS=$'\\n' candidate
    COMPREPLY=()
    while read -r candidate; do
        COMPREPLY+=("${candidate%%$'\\t'*}")
    done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    if [ ${#COMPREPLY[@]} -eq 0 ]; then
        compopt -o default
    fi
}
complete -F _sampan PROGRAM
""",
    "zsh": """\
#compdef PROGRAM
_sampan() {
    local -a described
    local candidate
    "${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null | while IFS= read -r candidate; do
        described+=("${${candidate//:/\\\\:}/$'\\t'/:}")
    done
    if (( ${#described} )); then
        _describe 'PROGRAM' described
    else
        _files
    fi
}
compdef _sampan PROGRAM
""",
    "fish": """\
function __sampan_complete
    set -l words (commandline -opc) (commandline -ct)
    $words[1] __complete $words[2..-1] 2>/dev/null
end
complete -c PROGRAM -f -a '(__sampan_complete)'
""",
}


def run(call: Call) -> int:
    """sampan completion SHELL."""
    shell = call.arguments[0]
    if shell not in SHELLS:
        raise Failure(f"unknown shell {shell!r}: there are scripts for {', '.join(SHELLS)}")
    call.out.write(SHELLS[shell].replace("PROGRAM", call.program))
    return 0


def complete(call: Call) -> int:
    """sampan __complete WORD…: what could the last word become? One candidate a line, a tab, what it is."""
    for word, summary in candidates(call):
        call.out.line(f"{word}\t{summary}" if summary else word)
    return 0


COMMAND = Command(
    "bash|zsh|fish",
    run,
    least=1,
    most=1,
    details="For this session: source <(sampan completion bash). For all: write it to /etc/bash_completion.d/sampan.",
)
COMPLETE = Command("WORD...", complete, most=ANY, raw=True)
