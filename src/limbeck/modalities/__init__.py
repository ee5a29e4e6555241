"""Open folder: one file per kind of payload; torch-free, the same code when training and when serving.

Beside what `limbeck.types.Modality` says, a modality has, for whoever must not know what a payload is:

    column, noun                under which rows hold a payload, and what messages call it
    suffixes, unread            of its own files, in folders and zips (none: rows hold it), and of their like that it cannot decode
    measure                     what `limbeck.payloads.size` is called, with its unit, where the report is to part rows by it
    vocabulary                  whether it reads by pieces, which a teacher or another encoder may lend
    golden                      synthetic payloads as JSON, whose logits a bundle carries
    view_plan, views(...)       how further views are made, and they: the same records, plan and seed give the same ones
    payload(value, folder)      a cell of a row as a payload; ValueError says what is wrong with it, and nothing where nothing is there
    key(payload)                the key of its content, which copies share
    to_json, from_json          a payload in JSON and back; what comes back may be a stranger's, so it never names a file
    as_sent, received           a payload as a user hands it over, so that decoding counts where times are taken, and back: of a file's bytes no
                                more than `most` of what is `counted` ("pixels", "seconds")
    stand_in(payload, number)   a payload of limbeck's own that is as long or as large as this one, in the same format, and holds nothing of it
    capture()                   what a page has to know that lets its user choose or record one
    work(payload)               tokens, or what is like them, for estimates of time
    of(origin)                  as whoever the run's students come from reads
    fitted(payloads, reading, min_count)    as a student of these payloads reads, and what it is made from: `identity`, `arguments(origin)`
    sweep(encoded, rows)        shapes that a written file is tried at, by name
    mistaken                    without a vocabulary: forms in which a teacher may have been trained to read, by name
"""
