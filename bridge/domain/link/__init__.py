"""Two tickets in step: what is compared, what is decided, and what a write came to. Pure.

A link joins a ticket on the left with one on the right. For each mapped field it keeps a *base*: the pair of values at
which both sides were last known to agree, or to differ on purpose. What a side says now is compared with its own base,
never with the other side's spelling, so a map that loses information cannot make two systems write to each other for
ever. `word_map` and `comparison` say when two values mean the same, `field` decides, `intent` settles writes of which
no answer came, `key` names tickets and notes so that none is made twice.
"""
