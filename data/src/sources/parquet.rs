//! Rows of Parquet files. Only the columns that are asked for are read, a page of each at a time.

use super::{BadKind, Fields, reader::Content, reader::too_long, record::names};
use parquet::{
    basic::Compression,
    file::reader::{FileReader, SerializedFileReader},
    record::{
        Field, Row,
        reader::{ReaderIter, TreeBuilder},
    },
    schema::types::{SchemaDescPtr, SchemaDescriptor, Type},
};
use serde_json::{Map, Number, Value};
use std::{
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// Values of a column that are decoded at a time.
const BATCH: usize = 64;

/// The rows of a file.
pub(super) struct Rows {
    reader: SerializedFileReader<File>,
    columns: SchemaDescPtr,
    group: usize,
    rows: Option<ReaderIter>,
    /// Rows of this group that a reader has seen before.
    skip: u64,
    bytes: u64,
    row: u64,
    read: Arc<AtomicU64>,
}

impl Rows {
    /// The rows behind the first `skip` ones. A share of the file's bytes is added to `read` with each.
    pub fn open(file: File, fields: &Fields, skip: u64, read: Arc<AtomicU64>) -> Result<Rows, String> {
        let bytes = file.metadata().map_err(|e| e.to_string())?.len();
        let reader = guarded(|| SerializedFileReader::new(file).map_err(said))?;
        let columns = guarded(|| columns(&reader, fields))?;
        let (mut group, mut left) = (0, skip);
        while group < reader.num_row_groups() {
            let rows = reader.metadata().row_group(group).num_rows().max(0) as u64;
            if left < rows {
                break;
            }
            (group, left) = (group + 1, left - rows);
        }
        Ok(Rows { reader, columns, group, rows: None, skip: left, bytes, row: skip, read })
    }

    /// The next row, or why the file cannot be read on.
    pub fn next(&mut self, limit: usize) -> Result<Option<Content>, String> {
        loop {
            if self.rows.is_none() {
                if self.group >= self.reader.num_row_groups() {
                    return Ok(None);
                }
                let (reader, group, columns) = (&self.reader, self.group, self.columns.clone());
                let open = || {
                    let group = reader.get_row_group(group)?;
                    TreeBuilder::new().with_batch_size(BATCH).as_iter(columns, &*group)
                };
                self.rows = Some(guarded(|| open().map_err(said))?);
                self.group += 1;
            }
            let Some(rows) = &mut self.rows else { continue };
            match guarded(|| rows.next().transpose().map_err(said))? {
                None => self.rows = None,
                Some(_) if self.skip > 0 => self.skip -= 1,
                Some(row) => {
                    self.row += 1;
                    let all = self.reader.metadata().file_metadata().num_rows().max(1) as u128;
                    let share = u128::from(self.bytes) * u128::from(self.row) / all;
                    self.read.store(share.min(u128::from(self.bytes)) as u64, Relaxed);
                    return Ok(Some(content(row, limit)));
                }
            }
        }
    }
}

/// The columns that hold these fields, those of them that are there.
fn columns(reader: &SerializedFileReader<File>, fields: &Fields) -> Result<SchemaDescPtr, String> {
    let metadata = reader.metadata();
    let root = metadata.file_metadata().schema_descr().root_schema();
    let wanted = names(fields);
    let found: Vec<_> = root.get_fields().iter().filter(|field| wanted.contains(&field.name())).cloned().collect();
    if found.is_empty() {
        let there: Vec<&str> = root.get_fields().iter().map(|field| field.name()).collect();
        let [wanted, there] = [wanted, there].map(|names| names.join(", "));
        return Err(format!("it has no column {wanted}, but {there}\n  help: say in `fields` which columns to read"));
    }
    for group in metadata.row_groups() {
        for column in group.columns() {
            let of_found = |name: &String| found.iter().any(|field| field.name() == name);
            let read = column.column_path().parts().first().is_some_and(of_found);
            let known =
                matches!(column.compression(), Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::GZIP(_));
            if read && !known {
                return Err(format!(
                    "its column {} is compressed by {}, which is not supported\n  help: write the file anew with compression \
                     snappy, gzip or none, e.g. `pyarrow.parquet.write_table(table, path, compression=\"snappy\")`",
                    column.column_path(),
                    column.compression(),
                ));
            }
        }
    }
    let root = Type::group_type_builder(root.name()).with_fields(found).build().map_err(said)?;
    Ok(Arc::new(SchemaDescriptor::new(Arc::new(root))))
}

/// A file that is no Parquet may be a fault to the crate that reads them.
fn guarded<T>(f: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|_| Err(said("its parts contradict each other")))
}

fn said(error: impl ToString) -> String {
    let mut reason: String = error.to_string().chars().take(300).collect();
    if reason.contains("from_utf8") || reason.contains("Utf8Error") {
        reason = "a text in it is not UTF-8".into();
    }
    format!("{reason}\n  help: if the file is damaged or incomplete, copy or download it again")
}

fn content(row: Row, limit: usize) -> Content {
    let mut left = limit;
    match object(row, false, &mut left) {
        Ok(row) => Content::Row(row),
        Err(BadKind::TooLong) => Content::Bad(BadKind::TooLong, too_long(limit)),
        Err(kind) => Content::Bad(kind, "it is not UTF-8".into()),
    }
}

/// The members of a row or struct. Those of a struct that are null are left out: Parquet has them in every struct of a column
/// where one has them, but templates ask whether they are there.
fn object(row: Row, inner: bool, left: &mut usize) -> Result<Map<String, Value>, BadKind> {
    let mut all = Map::new();
    for (name, field) in row.into_columns() {
        let value = value(field, left)?;
        if !(inner && value.is_null()) {
            all.insert(name, value);
        }
    }
    Ok(all)
}

fn value(field: Field, left: &mut usize) -> Result<Value, BadKind> {
    let text = |text: String, left: &mut usize| {
        *left = left.checked_sub(text.len()).ok_or(BadKind::TooLong)?;
        Ok(Value::String(text))
    };
    Ok(match field {
        Field::Null => Value::Null,
        Field::Bool(b) => b.into(),
        Field::Byte(n) => n.into(),
        Field::Short(n) => n.into(),
        Field::Int(n) => n.into(),
        Field::Long(n) => n.into(),
        Field::UByte(n) => n.into(),
        Field::UShort(n) => n.into(),
        Field::UInt(n) => n.into(),
        Field::ULong(n) => n.into(),
        Field::Float(x) => Number::from_f64(x.into()).into(),
        Field::Double(x) => Number::from_f64(x).into(),
        Field::Str(s) => text(s, left)?,
        Field::Bytes(bytes) => text(String::from_utf8(bytes.data().to_vec()).map_err(|_| BadKind::InvalidUtf8)?, left)?,
        Field::Group(row) => Value::Object(object(row, true, left)?),
        Field::ListInternal(list) => {
            let all: Result<Vec<Value>, BadKind> = list.elements().iter().map(|f| value(f.clone(), left)).collect();
            Value::Array(all?)
        }
        Field::MapInternal(map) => {
            let mut all = Map::new();
            for (key, of) in map.entries() {
                let key = value(key.clone(), left)?;
                let key = key.as_str().map_or_else(|| key.to_string(), str::to_string);
                all.insert(key, value(of.clone(), left)?);
            }
            Value::Object(all)
        }
        // dates, decimals
        other => text(other.to_string(), left)?,
    })
}
