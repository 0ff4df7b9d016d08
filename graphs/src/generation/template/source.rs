//! A template as it is given to the engine: everything in it that could make a text or a list is turned into a call, so that
//! its cost is counted ([`super::budget`]) and it does what Python does.
//!
//! `a + b` becomes `raxla_add(a, b)`, `x[1:]` becomes `x.raxla_slice(1, none, none)`, text between tags becomes `{{ "text" }}`, and
//! so on. Lines stay where they are, so that errors name the right ones.

use minijinja::Error;
use minijinja::machinery::{Token, Tokenizer, WhitespaceConfig};
use minijinja::syntax::SyntaxConfig;
use std::collections::HashMap;

/// Bytes of a template. The longest of known models have some 30,000; the engine goes through nested parts by recursion.
const LONGEST: usize = 256 << 10;
/// Names, signs and values within one tag, for the same reason.
const LONGEST_TAG: usize = 10_000;
/// More arguments of a call than the engine takes; lists so long are left alone.
const MOST_ARGUMENTS: usize = 1000;

/// The template for the engine.
pub(super) fn rewrite(template: &str) -> Result<String, Error> {
    let too_long = |what: String| Error::new(minijinja::ErrorKind::SyntaxError, what);
    if template.len() > LONGEST {
        return Err(too_long(format!("it has {} bytes; {LONGEST} is the most", template.len())));
    }
    // as transformers sets Jinja up
    let spaces = WhitespaceConfig { keep_trailing_newline: false, lstrip_blocks: true, trim_blocks: true };
    let mut tokenizer = Tokenizer::new(template, "<string>", false, SyntaxConfig, spaces);
    let mut out = Lines { text: String::with_capacity(2 * template.len()), line: 1 };
    while let Some((token, span)) = tokenizer.next_token()? {
        let close = match token {
            Token::TemplateData(text) => {
                out.at(span.start_line.into(), "{{ \"");
                out.push(&text.replace('\\', "\\\\").replace('"', "\\\""));
                out.push("\" }}");
                continue;
            }
            Token::BlockStart => "%}",
            _ => "}}",
        };
        let mut tag = vec![];
        let mut ended = false;
        while let Some((token, span)) = tokenizer.next_token()? {
            ended = matches!(token, Token::BlockEnd | Token::VariableEnd);
            if ended {
                break;
            }
            if tag.len() == LONGEST_TAG {
                let line = span.start_line;
                return Err(too_long(format!("a tag has more than {LONGEST_TAG} names and signs (line {line})")));
            }
            let text = &template[span.start_offset as usize..span.end_offset as usize];
            tag.push(Part { kind: Kind::of(&token), text, line: span.start_line.into() });
        }
        let is_block = close == "%}";
        out.at(span.start_line.into(), if is_block { "{% " } else { "{{ " });
        let keyword = tag.first().filter(|_| is_block).map_or("", |part| part.text);
        match keyword {
            // transformers marks the assistant's words, which only training looks at
            "generation" => out.push("if true"),
            "endgeneration" => out.push("endif"),
            _ => Tag::new(&tag, is_block).write(&mut out),
        }
        if !ended {
            break;
        }
        out.push(if is_block { " %}" } else { " }}" });
        if matches!(keyword, "for" | "macro" | "call") {
            out.push("{% do raxla_tick() %}");
        }
    }
    Ok(out.text)
}

/// What is written, and the line that it has come to.
struct Lines {
    text: String,
    line: usize,
}
impl Lines {
    fn push(&mut self, text: &str) {
        self.text += text;
        self.line += text.matches('\n').count();
    }
    /// In this line, or where the text is if that is further down.
    fn at(&mut self, line: usize, text: &str) {
        // (behind the first word of a tag, where a line may end)
        let missing = line.saturating_sub(self.line);
        match text.split_once(' ').filter(|_| missing > 0) {
            Some((mark, rest)) => {
                self.push(mark);
                self.push(&"\n".repeat(missing));
                self.push(rest);
            }
            None => self.push(text),
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Name,
    Value,
    Open,
    Close,
    Dot,
    Pipe,
    Comma,
    Colon,
    Assign,
    Comparison,
    Operator,
}
impl Kind {
    fn of(token: &Token) -> Kind {
        match token {
            Token::Ident(_) => Kind::Name,
            Token::BracketOpen | Token::ParenOpen | Token::BraceOpen => Kind::Open,
            Token::BracketClose | Token::ParenClose | Token::BraceClose => Kind::Close,
            Token::Dot => Kind::Dot,
            Token::Pipe => Kind::Pipe,
            Token::Comma => Kind::Comma,
            Token::Colon => Kind::Colon,
            Token::Assign => Kind::Assign,
            Token::Eq | Token::Ne | Token::Gt | Token::Gte | Token::Lt | Token::Lte => Kind::Comparison,
            Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::FloorDiv | Token::Pow | Token::Mod => {
                Kind::Operator
            }
            Token::Tilde => Kind::Operator,
            _ => Kind::Value,
        }
    }
}

/// A name, a sign or a value.
struct Part<'s> {
    kind: Kind,
    text: &'s str,
    line: usize,
}

/// Operators by how tightly they bind, as in Jinja.
fn binds(operator: &str) -> usize {
    match operator {
        "+" | "-" => 1,
        "~" => 2,
        "**" => 4,
        _ => 3,
    }
}

/// The function that an operator becomes; does it take any number of operands?
fn function(operator: &str) -> Option<(&'static str, bool)> {
    match operator {
        "+" => Some(("raxla_add(", true)),
        "~" => Some(("raxla_concat(", true)),
        "*" => Some(("raxla_multiply(", false)),
        "%" => Some(("raxla_modulo(", false)),
        _ => None,
    }
}

/// What is inside `{{ }}` or `{% %}`, and what is to be written in its place.
struct Tag<'a, 's> {
    parts: &'a [Part<'s>],
    is_block: bool,
    /// Of each bracket the other one; of brackets without one, and of all else, the own number.
    partner: Vec<usize>,
    /// The bracket that each part is in.
    parent: Vec<Option<usize>>,
    texts: HashMap<usize, String>,
    /// Before a part: what, and the last part that it belongs to.
    before: HashMap<usize, Vec<(usize, &'static str)>>,
    after: HashMap<usize, String>,
}

impl<'a, 's> Tag<'a, 's> {
    fn new(parts: &'a [Part<'s>], is_block: bool) -> Tag<'a, 's> {
        let (mut partner, mut parent, mut open): (Vec<usize>, _, Vec<usize>) =
            ((0..parts.len()).collect(), vec![], vec![]);
        for (i, part) in parts.iter().enumerate() {
            if part.kind == Kind::Close
                && let Some(at) = open.pop()
            {
                (partner[at], partner[i]) = (i, at);
            }
            parent.push(open.last().copied());
            if part.kind == Kind::Open {
                open.push(i);
            }
        }
        let (texts, before, after) = Default::default();
        Tag { parts, is_block, partner, parent, texts, before, after }
    }

    fn write(mut self, out: &mut Lines) {
        self.filters();
        for i in 0..self.parts.len() {
            if self.parts[i].kind == Kind::Open && self.partner[i] != i {
                self.bracket(i);
            }
        }
        // (it may begin and end where an operator does, and stands outside)
        self.assignment();
        self.operators();
        for (i, part) in self.parts.iter().enumerate() {
            out.at(part.line, " ");
            let mut before = self.before.remove(&i).unwrap_or_default();
            // whatever reaches further stands outside
            before.sort_by_key(|(last, _)| std::cmp::Reverse(*last));
            before.iter().for_each(|(_, text)| out.push(text));
            out.push(self.texts.get(&i).map_or(part.text, String::as_str));
            out.push(self.after.get(&i).map_or("", String::as_str));
        }
    }

    fn wrap(&mut self, first: usize, last: usize, call: &'static str) {
        self.before.entry(first).or_default().push((last, call));
        self.after.entry(last).or_default().push(')');
    }

    fn is(&self, i: usize, text: &str) -> bool {
        self.parts.get(i).is_some_and(|part| part.text == text && part.kind != Kind::Value)
    }

    /// Is this name one of the language's words, and not a variable, an attribute, a filter or a test?
    fn is_word(&self, i: usize) -> bool {
        let words = ["if", "else", "in", "and", "or", "not", "is", "recursive"];
        if self.parts[i].kind != Kind::Name {
            return false;
        }
        if i == 0 {
            return self.is_block || words.contains(&self.parts[i].text);
        }
        if matches!(self.parts[i - 1].kind, Kind::Dot | Kind::Pipe) {
            return false;
        }
        let negated = self.is(i - 1, "not") && i > 1 && self.is(i - 2, "is");
        let is_test = (self.is(i - 1, "is") && self.is_word(i - 1) && !self.is(i, "not")) || negated;
        !is_test && words.contains(&self.parts[i].text)
    }

    /// Does something end here that an operator, a call or an index may follow?
    fn ends_operand(&self, i: usize) -> bool {
        match self.parts[i].kind {
            Kind::Value | Kind::Close => true,
            Kind::Name => !self.is_word(i),
            _ => false,
        }
    }

    fn is_binary(&self, i: usize) -> bool {
        self.parts[i].kind == Kind::Operator && i > 0 && self.ends_operand(i - 1)
    }

    /// Does no operand reach over this part?
    fn stops(&self, i: usize) -> bool {
        match self.parts[i].kind {
            Kind::Comma | Kind::Colon | Kind::Assign | Kind::Comparison => true,
            // `is` and `is not` belong to the operand before them
            Kind::Name => self.is_word(i) && !self.is(i, "is") && !(self.is(i, "not") && i > 0 && self.is(i - 1, "is")),
            _ => false,
        }
    }

    fn filters(&mut self) {
        for i in 0..self.parts.len() {
            if self.parts[i].kind != Kind::Pipe {
                continue;
            }
            let mut end = i + 1;
            while self.parts.get(end + 1).is_some_and(|p| p.kind == Kind::Dot) {
                end += 2;
            }
            if self.is(end + 1, "(") {
                end = self.partner[end + 1];
            }
            if end < self.parts.len() {
                self.after.entry(end).or_default().push_str("|raxla_kept");
            }
        }
    }

    fn bracket(&mut self, open: usize) {
        let close = self.partner[open];
        let inside = |kind: Kind, tag: &Self| -> Vec<usize> {
            (open + 1..close).filter(|i| tag.parent[*i] == Some(open) && tag.parts[*i].kind == kind).collect()
        };
        let (commas, colons) = (inside(Kind::Comma, self), inside(Kind::Colon, self));
        let postfix = open > 0 && self.ends_operand(open - 1);
        let text = self.parts[open].text;
        let call = match text {
            _ if commas.len() > MOST_ARGUMENTS => return,
            "[" if postfix && colons.is_empty() => return,
            "[" if postfix => ".raxla_slice(",
            "[" => "raxla_list(",
            "{" => "raxla_dict(",
            _ if postfix || self.is_target(open) || (commas.is_empty() && close > open + 1) => return,
            _ => "raxla_tuple(",
        };
        if text == "[" && postfix {
            // `[a:b:c]`, in which each may be missing
            let mut from = open;
            for to in colons.iter().copied().chain([close]) {
                if to == from + 1 {
                    self.after.entry(from).or_default().push_str(" none");
                }
                from = to;
            }
            if colons.len() == 1 {
                self.before.entry(close).or_default().push((close, ", none"));
            }
        }
        self.texts.insert(open, call.to_string());
        self.texts.insert(close, ")".to_string());
        self.texts.extend(colons.into_iter().map(|i| (i, ",".to_string())));
    }

    /// Does this parenthesis hold names that are given values?
    fn is_target(&self, open: usize) -> bool {
        let keyword = if self.is_block { self.parts[0].text } else { "" };
        let before_in = || !(0..open).any(|i| self.parent[i].is_none() && self.is(i, "in"));
        match keyword {
            "for" if before_in() => true,
            "call" if open == 1 => true,
            _ => self.parts.get(self.partner[open] + 1).is_some_and(|part| part.kind == Kind::Assign),
        }
    }

    fn operators(&mut self) {
        // of each operator that became part of a call: the first one of the call, and where that begins
        let mut calls: HashMap<usize, usize> = HashMap::new();
        let mut extents: Vec<(usize, usize, usize, &'static str)> = vec![];
        for i in 0..self.parts.len() {
            if !self.is_binary(i) {
                continue;
            }
            let Some((call, any_number)) = function(self.parts[i].text) else { continue };
            let (first, neighbour) = self.left_operand(i);
            let last = self.right_operand(i);
            self.texts.insert(i, ",".to_string());
            let joined = neighbour.filter(|n| any_number && self.parts[*n].text == self.parts[i].text);
            match joined.and_then(|n| calls.get(&n).copied()) {
                Some(number) => {
                    extents[number].1 = last;
                    calls.insert(i, number);
                }
                None => {
                    calls.insert(i, extents.len());
                    extents.push((first, last, i, call));
                }
            }
        }
        for (first, last, _, call) in extents {
            self.wrap(first, last, call);
        }
    }

    /// Where the left operand begins, and the nearest operator in it that binds as tightly.
    fn left_operand(&self, operator: usize) -> (usize, Option<usize>) {
        let tight = binds(self.parts[operator].text);
        let (mut at, mut neighbour) = (operator, None);
        while at > 0 {
            let previous = at - 1;
            if self.parts[previous].kind == Kind::Close && self.partner[previous] != previous {
                at = self.partner[previous];
                continue;
            }
            if self.parts[previous].kind == Kind::Open || self.stops(previous) {
                break;
            }
            if self.is_binary(previous) {
                match binds(self.parts[previous].text) {
                    b if b < tight => break,
                    b if b == tight && neighbour.is_none() => neighbour = Some(previous),
                    _ => {}
                }
            }
            at = previous;
        }
        (at, neighbour)
    }

    /// Where the right operand ends.
    fn right_operand(&self, operator: usize) -> usize {
        let tight = binds(self.parts[operator].text);
        let mut at = operator;
        while at + 1 < self.parts.len() {
            let next = at + 1;
            if self.parts[next].kind == Kind::Open {
                at = self.partner[next].max(next);
                continue;
            }
            let ends = self.parts[next].kind == Kind::Close || self.stops(next);
            if ends || (self.is_binary(next) && binds(self.parts[next].text) <= tight) {
                break;
            }
            at = next;
        }
        at
    }

    /// `{% set x = a, b %}` is a tuple, and what a namespace takes in is looked at.
    fn assignment(&mut self) {
        if !self.is_block || !self.is(0, "set") {
            return;
        }
        let top = |kind: Kind, tag: &Self, range: std::ops::Range<usize>| {
            range.into_iter().find(|i| tag.parent[*i].is_none() && tag.parts[*i].kind == kind)
        };
        let end = self.parts.len();
        let Some(assign) = top(Kind::Assign, self, 0..end).filter(|i| i + 1 < end) else { return };
        if top(Kind::Comma, self, assign..end).is_some() {
            self.wrap(assign + 1, end - 1, "raxla_tuple(");
        } else if top(Kind::Dot, self, 0..assign).is_some() {
            self.wrap(assign + 1, end - 1, "raxla_kept(");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::rewrite;

    #[test]
    fn operators_become_calls() {
        let cases = [
            ("a + b * c ~ d", "raxla_add( a , raxla_concat( raxla_multiply( b , c) , d))"),
            ("a + b - c + d", "raxla_add( raxla_add( a , b) - c , d)"),
            ("a ~ b ~ c", "raxla_concat( a , b , c)"),
            ("not a + b == c % -d", "not raxla_add( a , b) == raxla_modulo( c , - d)"),
            ("x if a in b + c else d + e", "x if a in raxla_add( b , c) else raxla_add( d , e)"),
            ("f(a + 1, k=b ~ c)", "f ( raxla_add( a , 1) , k = raxla_concat( b , c) )"),
            ("a is not none ~ b", "raxla_concat( a is not none , b)"),
            ("x.in + y|f('+') * 2", "raxla_add( x . in , raxla_multiply( y | f ( '+' )|raxla_kept , 2))"),
            ("x[1:][:-2].y[0]", "x .raxla_slice( 1 , none, none) .raxla_slice( none , - 2, none) . y [ 0 ]"),
            ("x[::2]", "x .raxla_slice( none , none , 2 )"),
            ("{'a': [1], 2: ()}", "raxla_dict( 'a' , raxla_list( 1 ) , 2 , raxla_tuple( ) )"),
            ("(a + b) % (c, d)", "raxla_modulo( ( raxla_add( a , b) ) , raxla_tuple( c , d ))"),
        ];
        let packed = |text: &str| text.replace(' ', "").replace("none", "none ");
        for (from, to) in cases {
            let have = rewrite(&format!("{{{{ {from} }}}}")).unwrap();
            assert_eq!(packed(&have), packed(&format!("{{{{{to}}}}}")), "{from}: {have}");
        }
    }

    #[test]
    fn statements_and_text_keep_their_lines() {
        let text =
            "a\n{%- for (k, v) in x + y if k %}\n  {# no #}\n {{ k\n}}\"{% endfor %}\n\n{% set n.a = k, 2 %}{{ z }}";
        let have = rewrite(text).unwrap();
        let line = |part: &str| have[..have.find(part).unwrap()].matches('\n').count() + 1;
        assert_eq!([line("for"), line("k }}"), line("endfor"), line("set"), line("z")], [2, 4, 5, 7, 7], "{have}");
        assert!(
            have.contains("raxla_add(") && have.contains("{% do raxla_tick() %}") && have.contains("\\\""),
            "{have}"
        );
        assert!(have.contains("raxla_tuple("), "{have}");
    }
}
