"""Makes a failing script short: delta debugging on its steps, then on its options and its multi-statements."""


def _without_chunks(steps, fails, size):
    """Drops chunks of this size while the rest still fails."""
    start = 0
    while start < len(steps):
        fewer = steps[:start] + steps[start + size :]
        if fails(fewer):
            steps = fewer
        else:
            start += size
    return steps


def shrink(script, fails, last):
    """The shortest script found for which fails(script) holds.

    last: the index of the step whose answer differed; what follows goes first.
    fails runs a script in both worlds and says whether they still disagree.
    """

    def fails_with(steps):
        return fails(script.with_steps(steps))

    steps = tuple(script.steps[:last]) if last else script.steps
    if not fails_with(steps):
        steps = tuple(script.steps)
    size = max(1, len(steps) // 2)
    while True:
        before = steps
        steps = _without_chunks(steps, fails_with, size)
        if size > 1:
            size //= 2
        elif steps == before:
            break
    script = script.with_steps(steps)
    for option in script.options:
        fewer = script.with_options(name for name in script.options if name != option)
        if fails(fewer):
            script = fewer
    return _split_statements(script, fails)


def _split_statements(script, fails):
    """Takes multi-statements apart where that is not what matters, and drops parts of them."""
    for index, step in enumerate(script.steps):
        if step[0] != "query" or not isinstance(step[1], str) or "; " not in step[1]:
            continue
        parts = step[1].split("; ")
        for part in range(len(parts) - 1, -1, -1):
            fewer = parts[:part] + parts[part + 1 :]
            if len(fewer) > 0:
                shorter = script.with_steps((*script.steps[:index], ("query", "; ".join(fewer), *step[2:]), *script.steps[index + 1 :]))
                if fails(shorter):
                    script, parts = shorter, fewer
    return script
