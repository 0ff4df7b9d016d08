//! Which layers look only at a window of the latest positions.
use crate::{LoadError, config::HfConfig};

/// The window of each layer: `sliding_window` where `layer_types` says so, if it is there, else as `usual` says of a layer's
/// number. Without `sliding_window`, none.
pub fn windows(c: &HfConfig, layers: usize, usual: impl Fn(usize) -> bool) -> Result<Vec<Option<usize>>, LoadError> {
    let size = c.uint_opt("sliding_window")?;
    let Some(kinds) = c.get("layer_types") else {
        return Ok((0..layers).map(|layer| size.filter(|_| usual(layer))).collect());
    };
    let kinds: Vec<&str> = kinds.as_array().into_iter().flatten().filter_map(|k| k.as_str()).collect();
    let known = |k: &&str| ["sliding_attention", "full_attention"].contains(k);
    if kinds.len() != layers || !kinds.iter().all(known) {
        let want = format!("a list of {layers} times \"sliding_attention\" or \"full_attention\"");
        return Err(c.error(format!("`layer_types` is not {want}")));
    }
    if size.is_none() && kinds.contains(&"sliding_attention") {
        return Err(c.error(
            "`layer_types` has \"sliding_attention\", but `sliding_window` is missing: say how many positions",
        ));
    }
    Ok(kinds.iter().map(|k| size.filter(|_| *k == "sliding_attention")).collect())
}
