//! What a module in text form says of its entry function, as far as a wrong compile option, or an entry without a body, would
//! end the process inside a plugin.

use crate::{CompileOptions, Error, Result};

/// A function of the module.
#[derive(Debug, PartialEq, Eq)]
struct Function<'a> {
    name: &'a str,
    parameters: usize,
    results: usize,
    has_body: bool,
}

impl CompileOptions {
    /// Checks the module, and the options that speak of its parameters and results, where plugins do not.
    pub(crate) fn check_module(&self, mlir: &[u8]) -> Result<()> {
        let functions = std::str::from_utf8(mlir).map_or(vec![], Function::all);
        if let Some(function) = functions.iter().find(|function| !function.has_body) {
            let what = format!("the function `{}` of the module has no body", function.name);
            return Err(Error::invalid(what).help("define the function, not only declare it"));
        }
        let entry = functions.iter().find(|function| function.name == "@main");
        if std::str::from_utf8(mlir).is_ok_and(is_empty_module) {
            return Err(Error::invalid("the module has no body").help("a module holds a function `@main`"));
        }
        let known = entry.map(|entry| entry.parameters).or(self.parameters.as_ref().map(Vec::len));
        for (option, list, count, what) in [
            ("propagate_to_parameters", &self.propagate_to_parameters, known, "parameters"),
            ("propagate_to_outputs", &self.propagate_to_outputs, entry.map(|entry| entry.results), "results"),
        ] {
            let fits = list.len() < 2 || count == Some(list.len());
            if !fits {
                let count = count.map_or("an unknown number of".into(), |count| count.to_string());
                let what = format!("`{option}` has {} entries, but the program has {count} {what}", list.len());
                return Err(Error::invalid(what).help("give one value for all, or one for each"));
            }
        }
        Ok(())
    }
}

/// Whether this is a module in MLIR's generic form whose region is missing or empty.
fn is_empty_module(text: &str) -> bool {
    let mut words = Scanner(text);
    let is_module = words.take("\"builtin.module\"") && words.list() == Some(0);
    while is_module && words.take("<") {
        while !matches!(words.next_word(), None | Some(">")) {}
    }
    is_module && !(words.take("(") && words.take("{") && !words.skip().starts_with('}'))
}

impl<'a> Function<'a> {
    /// The functions of a module in text form; none where there is no such text, as in bytecode.
    fn all(text: &'a str) -> Vec<Function<'a>> {
        let (mut words, mut all) = (Scanner(text), vec![]);
        while let Some(word) = words.next_word() {
            if word == "func.func" {
                all.extend(Function::read(&mut words));
            }
        }
        all
    }

    fn read(words: &mut Scanner<'a>) -> Option<Function<'a>> {
        let _ = words.take("public") || words.take("private") || words.take("nested");
        let name = words.next_word()?;
        let parameters = words.list()?;
        let results = if words.take("->") { words.results()? } else { 0 };
        if words.take("attributes") {
            words.list()?;
        }
        Some(Function { name, parameters, results, has_body: words.skip().starts_with('{') })
    }
}

/// The rest of a text, read from its start.
struct Scanner<'a>(&'a str);

impl<'a> Scanner<'a> {
    /// Skips white space and comments.
    fn skip(&mut self) -> &'a str {
        loop {
            self.0 = self.0.trim_start();
            match self.0.strip_prefix("//") {
                Some(comment) => self.0 = comment.split_once('\n').map_or("", |(_, rest)| rest),
                None => return self.0,
            }
        }
    }

    /// The next word, text in quotes, or other sign.
    fn next_word(&mut self) -> Option<&'a str> {
        let text = self.skip();
        let first = text.chars().next()?;
        let in_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '@' | '%' | '$');
        let length = match first {
            '"' => closed(text),
            '-' if text.starts_with("->") => 2,
            c if in_word(c) => text.find(|c| !in_word(c)).unwrap_or(text.len()),
            c => c.len_utf8(),
        };
        let (word, rest) = text.split_at(length);
        self.0 = rest;
        Some(word)
    }

    fn take(&mut self, word: &str) -> bool {
        let before = self.0;
        let found = self.next_word() == Some(word);
        if !found {
            self.0 = before;
        }
        found
    }

    /// How many parts a list in brackets has; what it holds is skipped.
    fn list(&mut self) -> Option<usize> {
        let close = match self.next_word()? {
            "(" => ")",
            "{" => "}",
            _ => return None,
        };
        let (mut depth, mut parts, mut empty) = (0usize, 1, true);
        loop {
            match self.next_word()? {
                "(" | "{" | "[" | "<" => depth += 1,
                ")" | "}" | "]" | ">" if depth > 0 => depth -= 1,
                word if depth == 0 && word == close => return Some(if empty { 0 } else { parts }),
                ")" | "}" | "]" if depth == 0 => return None,
                "," if depth == 0 => parts += 1,
                _ => {}
            }
            empty = false;
        }
    }

    /// How many results there are after the arrow: a list of types, or one.
    fn results(&mut self) -> Option<usize> {
        if self.skip().starts_with('(') {
            return self.list();
        }
        self.next_word()?;
        if self.0.starts_with('<') {
            let mut depth = 0usize;
            loop {
                match self.next_word()? {
                    "<" => depth += 1,
                    ">" if depth == 1 => break,
                    ">" => depth -= 1,
                    _ => {}
                }
            }
        }
        Some(1)
    }
}

/// The length of the text in quotes at the start.
fn closed(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_is_read_from_text() {
        let main = |text| Function::all(text).into_iter().find(|f| f.name == "@main");
        let read = |text| main(text).map(|f| (f.parameters, f.results, f.has_body));
        assert_eq!(read("module { func.func @main() { return } }"), Some((0, 0, true)));
        assert_eq!(read("func.func @main(%a: tensor<2xf32>) -> tensor<2xf32> { return %a }"), Some((1, 1, true)));
        let full = "module @a attributes {mhlo.num_partitions = 1 : i32} {
          // func.func @main(%a: tensor<f32>) {
          func.func private @other() -> tensor<f32> { %0 = func.call @main() : () -> tensor<f32> }
          func.func public @main(%a: tensor<2x3xf32, #e<[1, 2]>> {x = \"a \\\" , ) \", y = [1, 2]} loc(\"f\"(#l)), %b: tensor<f32>)
            -> (tensor<2x3xf32> {jax.result_info = \"\"}, tensor<f32>) attributes {k = {a, b}} { return } }";
        assert_eq!(read(full), Some((2, 2, true)));
        assert_eq!(read("func.func private @main(tensor<f32>, tensor<f32>) -> (tensor<f32>)\n"), Some((2, 1, false)));
        assert_eq!(read("module { func.func private @main() }"), Some((0, 0, false)));
        for other in [
            "",
            "module {}",
            "func.func @other() { return }",
            "func.func @main(",
            "func.func @main( }",
            "\"@main\" \"",
            "ML\u{ef}R",
        ] {
            assert!(main(other).is_none(), "{other}");
        }
    }

    #[test]
    fn modules_without_a_region_are_empty() {
        for empty in
            ["\"builtin.module\"() : () -> ()", "\"builtin.module\"() ({\n}) : () -> ()", "// x\n\"builtin.module\"()"]
        {
            assert!(is_empty_module(empty), "{empty}");
        }
        for other in ["", "module {}", "\"builtin.module\"() <{sym_name = \"a\"}> ({ \"func.func\"() }) : () -> ()"] {
            assert!(!is_empty_module(other), "{other}");
        }
    }

    #[test]
    fn lists_are_as_long_as_what_they_speak_of() {
        let module = b"func.func @main(%a: tensor<f32>, %b: tensor<f32>) -> tensor<f32> { return %a }";
        let check = |parameters: usize, results: usize| {
            let options = CompileOptions {
                propagate_to_parameters: vec![false; parameters],
                propagate_to_outputs: vec![false; results],
                ..CompileOptions::default()
            };
            options.check_module(module).map_err(|error| error.message)
        };
        assert_eq!((check(0, 0), check(1, 1), check(2, 1)), (Ok(()), Ok(()), Ok(())));
        assert_eq!(
            check(3, 1).unwrap_err(),
            "`propagate_to_parameters` has 3 entries, but the program has 2 parameters"
        );
        assert_eq!(check(2, 2).unwrap_err(), "`propagate_to_outputs` has 2 entries, but the program has 1 results");
    }
}
