"""Open folder: one file per kind of teacher; the file's name is its public name.

Every teacher keeps `limbeck.types.Teacher`, and says `has_head` (it knows its classes), `parameters` and `tolerance`. The rest it has where there is something
to say; a run goes on without it, and says what it goes without:

    says                    probabilities (where it does not say), top_k, votes or labels; chooses the objective
    discover(rows, labels)  before it is asked: the first rows, and the data's labels
    answers_anything        false: only what was written down, so there are no views
    answers_here, form      false: no time is measured; else what is timed, in words
    paid, shard             true: no views unless the recipe asks; how many texts are asked before answers are committed
    estimate, spent, expect what asking will cost, what it has cost; the labels, where nothing may be asked yet
    remarks                 sentences for the report
    name, bytes             in reports
    tokenizer_json, token_embeddings, start, max_tokens     what a student may read and start from
    module, precision       a torch network that can be written to a file, and in what it computes
"""
