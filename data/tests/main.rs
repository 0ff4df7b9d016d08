//! The tests of training data, in one program. A file here is a module below.

mod cache;
mod chats;
mod common;
mod damage;
mod errors;
mod killed;
mod loader;
mod mixture;
mod rows;
mod sources;
