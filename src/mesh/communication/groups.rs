//! Which devices exchange: replica groups in their notations, and the mesh axes that they amount to.
use super::hlo::balanced;

/// Groups of devices, by their position in the mesh (row-major).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Groups(pub(super) Vec<Vec<usize>>);

/// More devices than this are none of a real machine: texts that say so are not followed.
const MOST_DEVICES: usize = 1 << 24;

impl Groups {
    /// `{{0,1},{2,3}}`, `{}` (one group of all), `[2,4]<=[8]`, `[2,4]<=[4,2]T(1,0)` or `mesh['a'=2,'b'=4] {'b'}`.
    pub(super) fn parse(text: &str, devices: usize) -> Option<Groups> {
        let text = text.trim();
        let groups = match text.as_bytes().first()? {
            b'{' => match lists(text)? {
                none if none.is_empty() => vec![(0..devices).collect()],
                some => some,
            },
            b'[' => iota(text)?,
            _ => mesh(text)?,
        };
        Some(Groups(groups))
    }
    /// Devices in a group.
    pub(super) fn participants(&self) -> usize {
        self.0.iter().map(Vec::len).max().unwrap_or(1)
    }
    /// The axes along which members of a group differ, if the groups are those of whole axes. An axis of which a group has
    /// a part only is `part of a`.
    pub(super) fn axes(&self, mesh: &[(String, usize)]) -> Option<Vec<String>> {
        let total = product(mesh)?;
        let members: usize = self.0.iter().map(Vec::len).sum();
        if members != total || self.0.iter().flatten().any(|d| *d >= total) {
            return None;
        }
        let varies = |group: &Vec<usize>| -> Vec<bool> {
            let of = |axis| move |d: &usize| coordinate(mesh, *d, axis);
            (0..mesh.len())
                .map(|axis| group.iter().map(of(axis)).any(|c| c != coordinate(mesh, group[0], axis)))
                .collect()
        };
        let first = varies(self.0.first()?);
        if self.0.iter().any(|group| group.len() != self.0[0].len() || varies(group) != first) {
            return None;
        }
        let named = || mesh.iter().zip(&first).filter(|(_, varies)| **varies);
        let whole = named().map(|((_, size), _)| size).product::<usize>() == self.0[0].len();
        match named().count() {
            1 if !whole => Some(named().map(|((name, _), _)| format!("part of {name}")).collect()),
            _ => whole.then(|| named().map(|((name, _), _)| name.clone()).collect()),
        }
    }
}

/// The axes that a permutation moves along: those in which any source and target differ. And how many devices lie along
/// them.
pub(super) fn permuted(pairs: &str, mesh: &[(String, usize)]) -> Option<(usize, Option<Vec<String>>)> {
    let pairs = lists(pairs)?;
    let mut all: Vec<usize> = pairs.concat();
    all.sort_unstable();
    all.dedup();
    let total = product(mesh).filter(|total| all.iter().all(|d| d < total) && *total > 1);
    if total.is_none() || pairs.iter().any(|pair| pair.len() != 2) {
        return Some((all.len(), None));
    }
    let moves = |axis| pairs.iter().any(|p| coordinate(mesh, p[0], axis) != coordinate(mesh, p[1], axis));
    let along: Vec<&(String, usize)> = (0..mesh.len()).filter(|a| moves(*a)).map(|a| &mesh[a]).collect();
    let devices = along.iter().map(|(_, size)| size).product();
    Some((devices, Some(along.iter().map(|(name, _)| name.clone()).collect())))
}

fn product(mesh: &[(String, usize)]) -> Option<usize> {
    mesh.iter().try_fold(1usize, |n, (_, size)| n.checked_mul(*size)).filter(|n| (1..=MOST_DEVICES).contains(n))
}

fn coordinate(mesh: &[(String, usize)], device: usize, axis: usize) -> usize {
    let inner: usize = mesh[axis + 1..].iter().map(|(_, size)| size).product();
    device / inner % mesh[axis].1
}

/// `{{0,1},{2,3}}`
fn lists(text: &str) -> Option<Vec<Vec<usize>>> {
    let mut rest = text.strip_prefix('{')?.strip_suffix('}')?.trim();
    let mut all = vec![];
    while !rest.is_empty() {
        let end = balanced(rest).filter(|_| rest.starts_with('{'))?;
        all.push(numbers(&rest[1..end - 1])?);
        rest = rest[end..].trim_start_matches([',', ' ']);
    }
    Some(all)
}

fn numbers(text: &str) -> Option<Vec<usize>> {
    text.split(',').filter(|n| !n.trim().is_empty()).map(|n| n.trim().parse().ok()).collect()
}

/// `[2,4]<=[4,2]T(1,0)`: the numbers from 0 on in shape `[4,2]`, transposed, reshaped to `[2,4]`. One group per row.
fn iota(text: &str) -> Option<Vec<Vec<usize>>> {
    let (shape, source) = text.split_once("<=")?;
    let bracketed = |t: &str| numbers(t.strip_prefix('[')?.strip_suffix(']')?);
    let shape = bracketed(shape)?;
    let (dims, order) = match source.split_once('T') {
        Some((dims, order)) => (bracketed(dims)?, numbers(order.strip_prefix('(')?.strip_suffix(')')?)?),
        None => {
            let dims = bracketed(source)?;
            let order = (0..dims.len()).collect();
            (dims, order)
        }
    };
    let all = transposed(&dims, &order)?;
    let row = *shape.last()?;
    (row > 0 && shape.iter().product::<usize>() == all.len()).then(|| all.chunks(row).map(<[_]>::to_vec).collect())
}

/// The numbers from 0 on in this shape, row-major, read in another order of the axes.
fn transposed(dims: &[usize], order: &[usize]) -> Option<Vec<usize>> {
    let mut sorted = order.to_vec();
    sorted.sort_unstable();
    let total = dims.iter().try_fold(1usize, |n, d| n.checked_mul(*d)).filter(|n| *n <= MOST_DEVICES)?;
    if sorted != (0..dims.len()).collect::<Vec<_>>() {
        return None;
    }
    let stride = |axis: usize| dims[axis + 1..].iter().product::<usize>();
    let at = |mut n: usize| {
        order.iter().rev().fold(0, |sum, axis| {
            let c = n % dims[*axis];
            n /= dims[*axis];
            sum + c * stride(*axis)
        })
    };
    Some((0..total).map(at).collect())
}

/// `mesh['a'=2,'b'=8] {'a','b':(2)4}`: the groups along some axes, or along a part of one: of size 4, with 2 before it.
fn mesh(text: &str) -> Option<Vec<Vec<usize>>> {
    let body = text.trim_start_matches('@').strip_prefix("mesh")?;
    let end = balanced(body)?;
    let unquoted = |t: &str| t.trim().trim_matches('\'').to_string();
    let sizes = body[1..end - 1].split(',').map(|one| {
        let (name, size) = one.split_once('=')?;
        Some((unquoted(name), size.trim().parse().ok()?))
    });
    let sizes: Vec<(String, usize)> = sizes.collect::<Option<_>>()?;
    let chosen = body[end..].trim().strip_prefix('{')?.strip_suffix('}')?;
    let (mut dims, mut within) = (vec![], vec![]);
    let parts: Vec<(String, Option<(usize, usize)>)> = chosen.split(',').map(part).collect::<Option<_>>()?;
    for (name, size) in &sizes {
        let (before, inside) = match parts.iter().find(|(n, _)| n == name) {
            None => (*size, 1),
            Some((_, None)) => (1, *size),
            Some((_, Some(pair))) => *pair,
        };
        let after = size.checked_div(before.checked_mul(inside)?)?;
        within.push(dims.len() + 1);
        dims.extend([before, inside, after]);
    }
    let outside = (0..dims.len()).filter(|axis| !within.contains(axis));
    let order: Vec<usize> = outside.chain(within.iter().copied()).collect();
    let group: usize = within.iter().map(|axis| dims[*axis]).product();
    let all = transposed(&dims, &order)?;
    (group > 0).then(|| all.chunks(group).map(<[_]>::to_vec).collect())
}

/// `'a'` or `'a':(2)4`
fn part(text: &str) -> Option<(String, Option<(usize, usize)>)> {
    let unquoted = |t: &str| t.trim().trim_matches('\'').to_string();
    match text.split_once(':') {
        None => Some((unquoted(text), None)),
        Some((name, sub)) => {
            let (before, size) = sub.strip_prefix('(')?.split_once(')')?;
            Some((unquoted(name), Some((before.parse().ok()?, size.parse().ok()?))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axes(text: &str, mesh: &[(&str, usize)]) -> String {
        let mesh: Vec<_> = mesh.iter().map(|(n, s)| (n.to_string(), *s)).collect();
        let groups = Groups::parse(text, 8).expect("it parses");
        groups.axes(&mesh).map_or("?".into(), |axes| axes.join(","))
    }

    #[test]
    fn axes_are_recovered_from_every_notation() {
        let (two, three) = (&[("data", 4), ("model", 2)], &[("data", 2), ("fsdp", 2), ("model", 2)]);
        assert_eq!(axes("{{0,1},{2,3},{4,5},{6,7}}", two), "model");
        assert_eq!(axes("[4,2]<=[8]", two), "model");
        assert_eq!(axes("[2,4]<=[4,2]T(1,0)", two), "data");
        assert_eq!(axes("{}", two), "data,model");
        assert_eq!(axes("[1,8]<=[8]", two), "data,model");
        assert_eq!(axes("{{0,4},{1,5},{2,6},{3,7}}", three), "data");
        assert_eq!(axes("[4,2]<=[2,2,2]T(2,0,1)", three), "fsdp");
        assert_eq!(axes("[2,4]<=[4,2]T(1,0)", three), "data,fsdp");
        assert_eq!(axes("[8,1]<=[8]", two), "");
        assert_eq!(axes("{{0,2},{4,6},{1,3},{5,7}}", two), "part of data");
        assert_eq!(axes("{{0,3},{1,2},{4,7},{5,6}}", two), "?");
        assert_eq!(axes("mesh['x'=4,'y'=2] {'x'}", two), "data");
        assert_eq!(axes("mesh['x'=4,'y'=2] {'x':(2)2}", two), "part of data");
        assert_eq!(axes("[4,2]<=[8]", &[("data", 3)]), "?");
    }

    #[test]
    fn what_is_no_notation_is_nothing() {
        for text in ["", "{{0,x}}", "[2,4]<=[8", "[2,4]<=[7]", "[2,4]<=[4,2]T(1,1)", "mesh['x'=4] {'x':(0)2}", "{{0}"] {
            assert_eq!(Groups::parse(text, 8), None, "{text}");
        }
        assert_eq!(Groups::parse("[1,99999999999]<=[99999999999]", 8), None);
    }

    #[test]
    fn permutations_move_along_axes() {
        let mesh = [("data".to_string(), 4), ("model".to_string(), 2)];
        let (n, axes) = permuted("{{0,2},{2,4},{4,6},{6,0},{1,3},{3,5},{5,7},{7,1}}", &mesh).expect("pairs");
        assert_eq!((n, axes), (4, Some(vec!["data".into()])));
        assert_eq!(permuted("{{0,9}}", &mesh), Some((2, None)));
    }
}
