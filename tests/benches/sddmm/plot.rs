//! Speed-up over the share of closed gates.

use plotters::prelude::*;
use serde_json::Value;
use std::error::Error;

/// Draws the results that are `shown`.
pub fn plot(
    record: &Value,
    title: &str,
    shown: impl Fn(&Value) -> bool,
    path: &str,
) -> Result<(), Box<dyn Error>> {
    let root = SVGBackend::new(path, (760, 480)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(50)
        .caption(
            format!("Sampled over dense product, {title}"),
            ("sans-serif", 18),
        )
        .build_cartesian_2d(0.0..100.0, (0.5f64..25.0).log_scale())?;
    (chart.configure_mesh())
        .x_desc("closed gates, %")
        .y_desc("speed-up")
        .draw()?;
    let ideal = (0..=96).map(|p| (f64::from(p), 100.0 / (100.0 - f64::from(p))));
    (chart.draw_series(LineSeries::new(ideal, BLACK.mix(0.5))))?
        .label("ideal, 1 / (1 - Sp)")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], BLACK.mix(0.5)));
    let results = record["results"].as_array().into_iter().flatten();
    for (index, result) in results.filter(|result| shown(result)).enumerate() {
        let points = result["points"].as_array().into_iter().flatten();
        let points = points.map(|p| {
            let number = |key: &str| p[key].as_f64().unwrap_or_default();
            (number("closed_percent"), number("speedup"))
        });
        let colour = Palette99::pick(index).to_rgba();
        (chart.draw_series(LineSeries::new(points, colour)))?
            .label(result["layer"].as_str().unwrap_or_default())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour));
    }
    (chart.configure_series_labels())
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .draw()?;
    root.present()?;
    Ok(())
}
