"""The same import on a Spark cluster: it reads, sorts and posts there, and Spark alone says what runs where.

    spans -> blocks of one lane's requests, keyed (lane, time) -> sorted by Spark -> one sender a lane -> counts

Nothing here is imported unless `--spark` asks for it.
"""
