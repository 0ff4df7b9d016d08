//! Plots of numbers, by the crate that `raxla train` draws with.
use crate::show;
use kuva::{
    backend::svg::SvgBackend,
    plot::{BarPlot, Heatmap, LinePlot, ScatterPlot},
    render::{figure::Figure, layout::Layout, plots::Plot},
};

/// Colours of curves, in their order.
const COLORS: [&str; 8] = ["#4878a8", "#d1603d", "#2a8c5a", "#8a5fb0", "#c79a2b", "#4fa3a5", "#a04668", "#6b6b6b"];

/// A plot: curves, points, bars or a map of numbers.
pub struct Chart {
    title: String,
    x: String,
    y: String,
    plots: Vec<Plot>,
    names: Vec<String>,
    log: [bool; 2],
    size: (f64, f64),
}
impl Chart {
    /// Nothing yet, under this title.
    pub fn new(title: &str) -> Chart {
        let (title, x, y) = (title.into(), String::new(), String::new());
        Chart { title, x, y, plots: vec![], names: vec![], log: [false; 2], size: (640.0, 330.0) }
    }
    /// What stands at the axes.
    pub fn axes(mut self, x: &str, y: &str) -> Chart {
        (self.x, self.y) = (x.into(), y.into());
        self
    }
    /// Width and height in pixels.
    pub fn size(mut self, width: f64, height: f64) -> Chart {
        self.size = (width, height);
        self
    }
    /// A logarithmic axis of x.
    pub fn log_x(mut self) -> Chart {
        self.log[0] = true;
        self
    }
    /// A logarithmic axis of y.
    pub fn log_y(mut self) -> Chart {
        self.log[1] = true;
        self
    }
    fn next_color(&self) -> &'static str {
        COLORS[self.plots.len() % COLORS.len()]
    }
    /// A curve through these points.
    pub fn line(mut self, name: &str, points: impl IntoIterator<Item = (f64, f64)>) -> Chart {
        let points: Vec<(f64, f64)> = points.into_iter().filter(|p| p.0.is_finite() && p.1.is_finite()).collect();
        let plot = LinePlot::new().with_data(points).with_color(self.next_color()).with_stroke_width(1.8);
        let plot = if name.is_empty() { plot } else { plot.with_legend(name) };
        self.plots.push(Plot::Line(plot));
        self
    }
    /// A curve of values at 0, 1, 2, ..
    pub fn values(self, name: &str, values: &[f32]) -> Chart {
        self.line(name, values.iter().enumerate().map(|(i, y)| (i as f64, f64::from(*y))))
    }
    /// Single points.
    pub fn points(mut self, name: &str, points: impl IntoIterator<Item = (f64, f64)>) -> Chart {
        let points: Vec<(f64, f64)> = points.into_iter().collect();
        let plot = ScatterPlot::new().with_data(points).with_color(self.next_color()).with_size(3.5);
        let plot = if name.is_empty() { plot } else { plot.with_legend(name) };
        self.plots.push(Plot::Scatter(plot));
        self
    }
    /// A bar for each name.
    pub fn bars<S: AsRef<str>>(mut self, bars: &[(S, f64)]) -> Chart {
        let bars: Vec<(String, f64)> = bars.iter().map(|(name, value)| (name.as_ref().to_string(), *value)).collect();
        self.names = bars.iter().map(|b| b.0.clone()).collect();
        self.plots.push(Plot::Bar(BarPlot::new().with_bars(bars).with_color(COLORS[0])));
        self
    }
    /// A group of bars for each name, one bar for each of `kinds`.
    pub fn groups<S: AsRef<str>>(mut self, kinds: &[&str], groups: &[(S, Vec<f64>)]) -> Chart {
        let mut plot = BarPlot::new();
        for (name, values) in groups {
            plot = plot.with_group(name.as_ref(), values.iter().zip(COLORS).map(|(v, color)| (*v, color)));
        }
        self.names = groups.iter().map(|g| g.0.as_ref().to_string()).collect();
        self.plots.push(Plot::Bar(plot.with_legend(kinds.to_vec())));
        self
    }
    /// A map of numbers, the first row at the bottom. Rows and columns are counted from 0.
    pub fn map(mut self, values: Vec<Vec<f64>>) -> Chart {
        let (rows, columns) = (values.len() as f64, values.first().map_or(0, Vec::len) as f64);
        let plot = Heatmap::new().with_data(values).with_x_range(-0.5, columns - 0.5).with_y_range(-0.5, rows - 0.5);
        self.plots.push(Plot::Heatmap(plot));
        self
    }
    fn layout(&self) -> Layout {
        let layout = Layout::auto_from_plots(&self.plots).with_title(&self.title);
        let layout = if self.x.is_empty() { layout } else { layout.with_x_label(&self.x) };
        let layout = if self.y.is_empty() { layout } else { layout.with_y_label(&self.y) };
        let layout = if self.log[0] { layout.with_log_x() } else { layout };
        let layout = if self.log[1] { layout.with_log_y() } else { layout };
        // (beside the legend there is less room)
        let room = self.size.0
            * if self.plots.iter().any(|p| matches!(p, Plot::Bar(b) if b.legend_label.is_some())) { 0.6 } else { 0.85 };
        let longest = self.names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let crowded = (longest * self.names.len()) as f64 * 7.5 > room;
        if crowded { layout.with_x_tick_rotate(-35.0) } else { layout }
    }
    /// The picture as SVG.
    pub fn svg(self) -> String {
        let (layout, (width, height)) = (self.layout(), self.size);
        let figure = Figure::new(1, 1).with_layouts(vec![layout]).with_plots(vec![self.plots]);
        SvgBackend::new().render_scene(&figure.with_cell_size(width, height).render())
    }
    /// Shows it in the notebook.
    pub fn show(self) {
        show("image/svg+xml", &self.svg());
    }
}
