//! Samples as rows of a CSV file: `metric_name,timestamp,value,units`.

use super::recorder::Sample;

/// The rows, without a header. Neither names nor numbers nor units need quotes.
///
/// # Errors
/// Never for samples; the writer's signature has one.
pub fn rows(samples: &[Sample]) -> csv::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for sample in samples {
        let (at, value) = (sample.at.to_string(), shortest(sample.value));
        writer.write_record([sample.metric.name(), &at, &value, sample.metric.units()])?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

/// At most three decimals, and no zeros at the end.
pub fn shortest(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::metrics::Metric;

    #[test]
    fn rows_are_as_documented() {
        let samples = [
            Sample { metric: Metric::RequestLifecycleDuration, at: 17, value: 500.0 },
            Sample { metric: Metric::S3FetchLatency, at: 18, value: 0.231_4 },
        ];

        let rows = String::from_utf8(rows(&samples).unwrap()).unwrap();

        assert_eq!(rows, "request_lifecycle_duration,17,500,ms\ns3_fetch_latency,18,0.231,ms\n");
    }
}
