"""Finds the co_awaits that GCC 12.2 miscompiles.

It stores the result of a co_await that is a condition, or an operand of one,
over the coroutine's resume pointer (a crash at -O2), and destroys temporaries
made with braces, and capturing lambdas, twice. So a co_await is a statement of
its own, the whole of an initialiser or assignment, or follows co_return; and
nothing in it is made with braces:

    co_await f();    x = co_await f();    co_return co_await f();

See proxy/async.hpp.
"""

import re

CONDITION = "co_await in a condition or as an operand: name its result first (GCC 12, see proxy/async.hpp)"
BRACES = "co_await of what is made with braces: name that first, then move it in (GCC 12, see proxy/async.hpp)"

# What is no code: comments, raw strings, strings, characters (but not the ' of 10'000).
NO_CODE = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<mark>[^(\s]*)\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'',
    re.DOTALL,
)
TEMPLATE_ARGUMENTS = re.compile(r"(?<=\w)<[\w:\s,*&()]*>(?=\s*[(:,>])")
OPENING, CLOSING = "([{", ")]}"


def _code_alone(text):
    """The text with all else blanked out, every character left at its place."""
    blank = lambda match: re.sub(r"[^\n]", " ", match.group())
    text = NO_CODE.sub(blank, text)
    while (plain := TEMPLATE_ARGUMENTS.sub(blank, text)) != text:
        text = plain
    return text


def _opening_of(code, closing):
    """Where the parenthesis that `closing` closes was opened."""
    depth = 0
    for at in range(closing, -1, -1):
        depth += (code[at] == ")") - (code[at] == "(")
        if depth == 0:
            return at
    return 0


def _may_begin(before):
    """Does a statement, or the whole of a value, begin behind this code?"""
    before = before.rstrip()
    if not before or before[-1] in "{}":
        return True
    if before[-1] == ";":
        statement = re.split(r"[{}]", before)[-1]
        return statement.count("(") == statement.count(")")  # else it is the condition of a for
    if re.search(r"\b(co_return|else|do)$", before):
        return True
    if before[-1] == "=":
        return re.search(r"[\w\])>]\s*=$", before) is not None
    if before[-1] == ")":
        head = before[: _opening_of(before, len(before) - 1)]
        return re.search(r"\b(if|if\s+constexpr|while|for|switch)\s*$", head) is not None
    if before[-1] == ":":
        label = re.split(r"[;{}]", before[:-1])[-1]
        return re.match(r"\s*(case\b[^?]*|default\s*|\w+\s*)$", label) is not None
    return False


def _fault_behind(after):
    """What is wrong from the awaited expression on to the end of its statement; None: nothing."""
    depth, braces = 0, False
    for at, letter in enumerate(after):
        if letter in OPENING:
            braces = braces or letter == "{"
            depth += 1
        elif letter in CLOSING:
            if depth == 0:
                return CONDITION
            depth -= 1
        elif depth == 0:
            if letter == ";":
                return BRACES if braces else None
            arrow = after[at : at + 2] == "->" or after[at - 1 : at + 1] == "->"
            if not arrow and letter in "=!<>&|^?+-*/%,~" and after[:at].strip():
                return CONDITION
    return CONDITION


def await_breaches(text):
    """Every co_await that stands where it must not, as (line number, words)."""
    code = _code_alone(text)
    for match in re.finditer(r"\bco_await\b", code):
        fault = _fault_behind(code[match.end() :]) if _may_begin(code[: match.start()]) else CONDITION
        if fault:
            yield code.count("\n", 0, match.start()) + 1, fault
