//! A bar chart of figures as SVG: one panel per metric and work, a bar per figure, a line from the best to the worst of nine runs of ten.
use super::{
    figure::Figure,
    table::{Among, label, number, with_unit},
};
use std::fmt::Write;

const WIDTH: f64 = 820.0;
/// From one bar to the next, and how thick a bar is.
const STEP: f64 = 30.0;
const BAR: f64 = 18.0;
/// Above the bars of a panel, and below them for the axis.
const TITLE: f64 = 40.0;
const AXIS: f64 = 34.0;
/// What a character of the labels is wide.
const CHARACTER: f64 = 7.4;
/// What is left free at the right for values.
const VALUES: f64 = 110.0;

/// Colours of text, lines and bars, for light and for dark surroundings.
const STYLE: &str = "\
    svg { --back: #ffffff; --text: #1f2328; --line: #d0d7de; --bar: #4878a8; --best: #2a8c5a; --spread: #1f2328; }\n\
    @media (prefers-color-scheme: dark) {\n\
      svg { --back: #15181c; --text: #e6e8ea; --line: #444c56; --bar: #6f9fd0; --best: #58b887; --spread: #e6e8ea; }\n\
    }\n\
    .back { fill: var(--back); }\n\
    text { fill: var(--text); font: 13px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; }\n\
    .title { font-size: 15px; font-weight: 600; }\n\
    .small { font-size: 11px; }\n\
    .grid { stroke: var(--line); stroke-width: 1; }\n\
    .bar { fill: var(--bar); }\n\
    .best { fill: var(--best); }\n\
    .spread { stroke: var(--spread); stroke-width: 1.5; }\n";

/// The chart of all figures but those of bytes.
pub fn svg(figures: &[Figure], among: Among, footer: &str) -> String {
    let mut subjects: Vec<String> = vec![];
    for subject in figures.iter().filter(|f| f.unit != "B").map(Figure::subject) {
        if !subjects.contains(&subject) {
            subjects.push(subject);
        }
    }
    let panel = |subject: &String| {
        let mut bars: Vec<&Figure> = figures.iter().filter(|f| f.subject() == *subject).collect();
        bars.sort_by(|a, b| a.rank().total_cmp(&b.rank()));
        bars
    };
    let panels: Vec<Vec<&Figure>> = subjects.iter().map(panel).collect();
    let labels = panels.iter().flatten().map(|f| label(f, among).chars().count());
    let left = 24.0 + labels.max().unwrap_or(0) as f64 * CHARACTER;
    let mut body = String::new();
    let mut y = 8.0;
    for bars in &panels {
        y += draw(&mut body, bars, among, left, y);
    }
    let height = y + 28.0;
    let _ = writeln!(body, "<text class=\"small\" x=\"16\" y=\"{:.1}\">{}</text>", height - 12.0, escaped(footer));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.1}\" width=\"{WIDTH}\" height=\"{height:.1}\">\n\
         <style>\n{STYLE}</style>\n<rect class=\"back\" width=\"{WIDTH}\" height=\"{height:.1}\"/>\n{body}</svg>\n"
    )
}

/// One panel at this height, whose height it returns.
fn draw(out: &mut String, bars: &[&Figure], among: Among, left: f64, top: f64) -> f64 {
    let right = WIDTH - VALUES;
    let most = bars.iter().map(|f| f.range()[1].max(f.value)).fold(0.0, f64::max);
    let step = step_of(most);
    let end = (most / step).ceil().max(1.0) * step;
    let x = |value: f64| left + (right - left) * (value / end);
    let (first, bottom) = (top + TITLE, top + TITLE + bars.len() as f64 * STEP);
    let unit = if bars[0].unit.is_empty() { String::new() } else { format!(" ({})", bars[0].unit) };
    let sense = if bars[0].is_rate() { "more is better" } else { "less is better" };
    let title = escaped(&format!("{}{unit}", bars[0].subject()));
    let _ = writeln!(out, "<text class=\"title\" x=\"16\" y=\"{:.1}\">{title}, {sense}</text>", top + 22.0);
    for i in 0..=(end / step).round() as usize {
        let value = step * i as f64;
        let (at, tick) = (x(value), number(value));
        let _ =
            writeln!(out, "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{first:.1}\" y2=\"{bottom:.1}\"/>");
        let low = bottom + 16.0;
        let _ =
            writeln!(out, "<text class=\"small\" text-anchor=\"middle\" x=\"{at:.1}\" y=\"{low:.1}\">{tick}</text>");
    }
    for (i, figure) in bars.iter().enumerate() {
        let (y, middle) = (first + i as f64 * STEP + (STEP - BAR) / 2.0, first + (i as f64 + 0.5) * STEP);
        // (beside other systems, this one is marked; among its own variants, the best)
        let marked = if among == Among::Systems { figure.system == "raxla" } else { i == 0 };
        let class = if marked && bars.len() > 1 { "best" } else { "bar" };
        let (name, width) = (escaped(&label(figure, among)), x(figure.value) - left);
        let base = middle + 4.5;
        let _ = writeln!(out, "<text text-anchor=\"end\" x=\"{:.1}\" y=\"{base:.1}\">{name}</text>", left - 8.0);
        let _ = writeln!(
            out,
            "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR}\" rx=\"2\"/>"
        );
        let [low, high] = figure.range();
        if high > low {
            let [a, b] = [x(low), x(high)];
            let _ = writeln!(
                out,
                "<line class=\"spread\" x1=\"{a:.1}\" x2=\"{b:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\"/>"
            );
            for at in [a, b] {
                let (y1, y2) = (middle - 5.0, middle + 5.0);
                let _ = writeln!(
                    out,
                    "<line class=\"spread\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{y1:.1}\" y2=\"{y2:.1}\"/>"
                );
            }
        }
        let (value, at) = (escaped(&with_unit(figure.value, &figure.unit)), x(high.max(figure.value)) + 8.0);
        let _ = writeln!(out, "<text x=\"{at:.1}\" y=\"{base:.1}\">{value}</text>");
    }
    TITLE + bars.len() as f64 * STEP + AXIS
}

/// 1, 2 or 5 times a power of ten, so that there are four to ten of them.
fn step_of(most: f64) -> f64 {
    if most <= 0.0 || !most.is_finite() {
        return 1.0;
    }
    let power = 10f64.powf(most.log10().floor());
    [0.1, 0.2, 0.5, 1.0, 2.0].map(|part| part * power).into_iter().find(|step| most / step <= 8.0).unwrap_or(power)
}

fn escaped(text: &str) -> String {
    let plain: String = text.chars().filter(|c| !c.is_control()).collect();
    plain.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        let steps = [(0.0, 1.0), (7.0, 1.0), (43.0, 10.0), (99.0, 20.0), (0.0021, 0.0005)];
        steps.iter().for_each(|(most, step)| assert!((step_of(*most) - step).abs() < 1e-9, "{most}"));
    }

    #[test]
    fn works_have_panels_of_their_own() {
        let figure = |work: &str, system: &str| {
            let mut figure = Figure::rate("decode_tok_s", 1.0, "tok/s", vec![0.1, 0.2, 0.3]);
            figure.system = system.into();
            figure.config.insert("work".into(), work.into());
            figure
        };
        let text = svg(&[figure("a", "raxla"), figure("a", "jax"), figure("b", "raxla")], Among::Systems, "");
        assert_eq!(text.matches("class=\"title\"").count(), 2);
        assert!(text.contains(">a: decode_tok_s (tok/s), more is better</text>"), "{text}");
        // of two systems this one is marked; alone there is nothing to mark
        assert_eq!((text.matches("class=\"best\"").count(), text.matches("class=\"bar\"").count()), (1, 2));
    }

    #[test]
    fn names_are_no_markup() {
        let mut figure = Figure::rate("decode_tok_s", 1.0, "tok/s", vec![0.1, 0.2, 0.3]);
        figure.system = "<b>&\"x\u{1b}".into();
        let text = svg(&[figure], Among::Systems, "a < b");
        assert!(text.contains("&lt;b&gt;&amp;&quot;x</text>") && text.contains("a &lt; b") && !text.contains('\u{1b}'));
    }
}
