//! Loss and learning rate over the steps, as SVG and PNG.
use super::{
    Error, Result,
    metrics::{Record, What},
};
use kuva::{
    backend::{png::PngBackend, svg::SvgBackend},
    plot::LinePlot,
    render::{figure::Figure, layout::Layout, plots::Plot},
};
use raxla_xla::Draft;
use std::path::Path;

/// Points of a curve at most: more are means of their neighbours.
const POINTS: usize = 1000;

/// Draws `training.svg` and `training.png` into a folder, from the lines of metrics.jsonl. Nothing without two steps.
///
/// # Errors
/// Files that cannot be written.
pub fn draw(folder: &Path, records: &[Record], title: &str) -> Result<()> {
    let (mut loss, mut held, mut rate) = (vec![], vec![], vec![]);
    for record in records {
        let step = record.step as f64;
        match &record.what {
            What::Train(r) => {
                loss.extend(r.loss.filter(|x| x.is_finite()).map(|x| (step, x)));
                rate.extend(r.learning_rate.map(|x| (step, x)));
            }
            What::Eval(r) if r.data.is_empty() && r.eval_loss.is_finite() => held.push((step, r.eval_loss)),
            _ => {}
        }
    }
    if loss.len() < 2 {
        return Ok(());
    }
    let line = |points: &[(f64, f64)], color: &str, name: &str| {
        Plot::Line(
            LinePlot::new().with_data(thinned(points)).with_color(color).with_legend(name).with_stroke_width(1.5),
        )
    };
    let mut curves = vec![line(&loss, "#4878a8", "training")];
    if held.len() > 1 {
        curves.push(line(&held, "#d1603d", "held out"));
    }
    let mut panels = vec![curves];
    let mut names = vec!["loss (nats per token)"];
    if rate.len() > 1 {
        panels.push(vec![line(&rate, "#2a8c5a", "learning rate")]);
        names.push("learning rate");
    }
    let layout =
        |(plots, name): (&Vec<Plot>, &&str)| Layout::auto_from_plots(plots).with_x_label("step").with_y_label(*name);
    let layouts = panels.iter().zip(&names).map(layout).collect();
    let figure = Figure::new(panels.len(), 1).with_title(title).with_layouts(layouts);
    let scene = figure.with_plots(panels).with_cell_size(760.0, 320.0).render();
    let png = PngBackend::new().with_scale(1.5).render_scene(&scene);
    let svg = SvgBackend::new().render_scene(&scene);
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        Draft::write(&path, bytes).map_err(Error::written(&path))
    };
    write("training.svg", svg.as_bytes())?;
    let drawn = |e: String| Error::Usage(format!("training.png cannot be drawn: {e}"));
    write("training.png", &png.map_err(drawn)?)
}

/// A curve with fewer points, each the mean of its neighbours.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let size = points.len().div_ceil(POINTS).max(1);
    let mean = |part: &[(f64, f64)]| {
        let n = part.len() as f64;
        part.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0 / n, y + p.1 / n))
    };
    points.chunks(size).map(mean).collect()
}
