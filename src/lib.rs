//! raxla
