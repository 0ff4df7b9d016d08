"""Makes data/tests/fixtures/*.parquet by pyarrow, which is Parquet's reference in C++: raxla reads them by Rust's reader.

    pip install pyarrow==26.0.1
    python scripts/make_parquet_fixtures.py
"""

import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = pathlib.Path(__file__).parent.parent / "data/tests/fixtures"


def write(name, columns, **options):
    table = pa.table(columns)
    pq.write_table(table, FOLDER / name, store_schema=False, **options)


# 25 texts in row groups of 10, some null; a column beside them that nobody asks for
texts = [None if i % 7 == 3 else f"text {i} äöü " + "x" * (i % 5) for i in range(25)]
columns = {"id": pa.array(range(25)), "text": pa.array(texts)}
for compression in ["none", "snappy", "gzip", "zstd"]:
    for version in ["1.0", "2.0"]:
        name = f"texts_{compression}_pages_{version[0]}.parquet"
        write(name, columns, compression=compression, data_page_version=version, row_group_size=10, use_dictionary=version == "1.0")

# bytes that are not marked as text, and of which one is no UTF-8
write("bytes.parquet", {"text": pa.array([b"fine", b"\xff\xfe", b"also"])}, compression="none")

# conversations, as data sets on the hub have them: members that only some messages have are null in the others
messages = [
    [{"role": "user", "content": "Hi", "name": None}, {"role": "assistant", "content": "Hello!", "name": "bot"}],
    [{"role": "user", "content": "2+2?", "name": None}, {"role": "assistant", "content": "4", "name": None}],
]
kind = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string()), ("name", pa.string())]))
columns = {"messages": pa.array(messages, kind), "tools": pa.array(['[{"name": "f"}]', None])}
write("messages.parquet", columns, compression="snappy")
