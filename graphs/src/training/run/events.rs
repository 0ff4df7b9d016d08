//! Event files for TensorBoard, by hand: records of a length, its checksum, a protocol buffer and its checksum
//! (tensorflow/core/lib/io/record_writer.h), each an `Event` (tensorflow/core/util/event.proto).
use super::{Error, Result};
use prost::Message;
use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// tensorflow.Event, as far as it is needed.
#[derive(Clone, PartialEq, Message)]
pub struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    pub wall_time: f64,
    /// The step.
    #[prost(int64, tag = "2")]
    pub step: i64,
    /// Of the first event of a file.
    #[prost(string, optional, tag = "3")]
    pub file_version: Option<String>,
    /// Values at a step.
    #[prost(message, optional, tag = "5")]
    pub summary: Option<Summary>,
    /// The beginning of a process: what older files say of later steps is void.
    #[prost(message, optional, tag = "7")]
    pub session_log: Option<SessionLog>,
}
/// tensorflow.Summary
#[derive(Clone, PartialEq, Message)]
pub struct Summary {
    /// Values.
    #[prost(message, repeated, tag = "1")]
    pub value: Vec<Value>,
}
/// tensorflow.Summary.Value
#[derive(Clone, PartialEq, Message)]
pub struct Value {
    /// Its name.
    #[prost(string, tag = "1")]
    pub tag: String,
    /// A number.
    #[prost(float, tag = "2")]
    pub simple_value: f32,
}
/// tensorflow.SessionLog
#[derive(Clone, PartialEq, Message)]
pub struct SessionLog {
    /// 1: a start.
    #[prost(int32, tag = "1")]
    pub status: i32,
}

/// A file that events are added to.
pub struct Events {
    path: PathBuf,
    file: File,
}

impl Events {
    /// A new file in this folder, for the steps behind this one.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn create(folder: &Path, step: u64) -> Result<Events> {
        fs::create_dir_all(folder).map_err(Error::written(folder))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = format!("events.out.tfevents.{:010}.{:09}.raxla", now.as_secs(), now.subsec_nanos());
        let path = folder.join(name);
        let file = File::options().append(true).create_new(true).open(&path).map_err(Error::written(&path))?;
        let mut events = Events { path, file };
        events.write(Event { file_version: Some("brain.Event:2".into()), ..Event::default() })?;
        let start = Some(SessionLog { status: 1 });
        events.write(Event { step: number(step + 1), session_log: start, ..Event::default() })?;
        Ok(events)
    }
    /// Values at a step, under their names.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn scalars(&mut self, step: u64, values: &[(&str, f64)]) -> Result<()> {
        let value = |(tag, x): &(&str, f64)| Value { tag: tag.to_string(), simple_value: *x as f32 };
        let summary = Some(Summary { value: values.iter().map(value).collect() });
        self.write(Event { step: number(step), summary, ..Event::default() })
    }
    fn write(&mut self, event: Event) -> Result<()> {
        let wall_time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let data = Event { wall_time, ..event }.encode_to_vec();
        let length = (data.len() as u64).to_le_bytes();
        let record = [&length[..], &masked(&length).to_le_bytes(), &data, &masked(&data).to_le_bytes()].concat();
        self.file.write_all(&record).map_err(Error::written(&self.path))
    }
}

/// The events of a file.
///
/// # Errors
/// The number of the record that is damaged, and how.
pub fn parse(mut bytes: &[u8]) -> std::result::Result<Vec<Event>, String> {
    let mut all = vec![];
    while !bytes.is_empty() {
        let wrong = |what: &str| format!("record {}: {what}", all.len());
        let take = |from: &mut &[u8], n: usize| -> Option<Vec<u8>> {
            let (part, rest) = from.split_at_checked(n)?;
            *from = rest;
            Some(part.to_vec())
        };
        let sum = |of: &[u8], sum: &[u8]| masked(of).to_le_bytes() == *sum;
        let (length, crc) = (take(&mut bytes, 8), take(&mut bytes, 4));
        let (Some(length), Some(crc)) = (length, crc) else { return Err(wrong("its length is cut off")) };
        if !sum(&length, &crc) {
            return Err(wrong("the checksum of its length is another"));
        }
        let n = u64::from_le_bytes(length.try_into().map_err(|_| wrong("its length is cut off"))?);
        let n = usize::try_from(n).map_err(|_| wrong("it is too long"))?;
        let (Some(data), Some(crc)) = (take(&mut bytes, n), take(&mut bytes, 4)) else {
            return Err(wrong("it is cut off"));
        };
        if !sum(&data, &crc) {
            return Err(wrong("its checksum is another"));
        }
        all.push(Event::decode(&data[..]).map_err(|e| wrong(&e.to_string()))?);
    }
    Ok(all)
}

fn number(step: u64) -> i64 {
    i64::try_from(step).unwrap_or(i64::MAX)
}

/// TensorFlow's checksum: a CRC-32C that is turned and moved, because the CRC of data that hold CRCs is weak.
fn masked(data: &[u8]) -> u32 {
    crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), bit by bit: records are short.
fn crc32c(data: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        let bit = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
        (0..8).fold(crc ^ u32::from(*byte), bit)
    };
    !data.iter().fold(!0, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        // RFC 3720, appendix B.4
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn events_are_read_as_they_were_written_and_damage_is_found() {
        let place = tempfile::tempdir().unwrap();
        let mut events = Events::create(place.path(), 4).unwrap();
        events.scalars(5, &[("train/loss", 2.5), ("train/learning_rate", 1e-3)]).unwrap();
        let mut bytes = fs::read(&events.path).unwrap();
        let all = parse(&bytes).unwrap();
        assert_eq!(all[0].file_version.as_deref(), Some("brain.Event:2"));
        assert_eq!((all[1].step, all[1].session_log.as_ref().unwrap().status), (5, 1));
        let summary = all[2].summary.as_ref().unwrap();
        assert_eq!((&*summary.value[0].tag, summary.value[0].simple_value), ("train/loss", 2.5));
        let last = bytes.len() - 6;
        bytes[last] ^= 1;
        assert_eq!(parse(&bytes).unwrap_err(), "record 2: its checksum is another");
    }
}
