// swift-metrics' handlers over our registry, so that what is counted through it, as HTTP's requests are, stands beside our
// own numbers in /metrics.

#if Server
  import CoreMetrics
  import PyramidServing

  final class RegistryMetrics: MetricsFactory {
    private let registry: MetricRegistry

    init(_ registry: MetricRegistry) { self.registry = registry }

    private func handler(
      _ label: String, _ dimensions: [(String, String)], _ kind: MetricRegistry.Kind
    ) -> SeriesHandler {
      SeriesHandler(series: registry.series(label, kind, labels: dimensions.map { (key: $0.0, value: $0.1) }))
    }

    func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
      handler(label + "_total", dimensions, .counter)
    }

    func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
      handler(label, dimensions, aggregate ? .histogram(MetricRegistry.seconds) : .gauge)
    }

    func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
      handler(label + "_seconds", dimensions, .histogram(MetricRegistry.seconds))
    }

    func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
      handler(label, dimensions, .gauge)
    }

    func destroyCounter(_ handler: any CounterHandler) {}
    func destroyRecorder(_ handler: any RecorderHandler) {}
    func destroyTimer(_ handler: any TimerHandler) {}
    func destroyMeter(_ handler: any MeterHandler) {}
  }

  private final class SeriesHandler: CounterHandler, RecorderHandler, TimerHandler, MeterHandler {
    private let series: MetricSeries

    init(series: MetricSeries) { self.series = series }

    func increment(by amount: Int64) { series.add(Double(amount)) }
    func reset() { series.set(0) }
    func record(_ value: Int64) { series.observe(Double(value)) }
    func record(_ value: Double) { series.observe(value) }
    func recordNanoseconds(_ duration: Int64) { series.observe(Double(duration) / 1e9) }
    func set(_ value: Int64) { series.set(Double(value)) }
    func set(_ value: Double) { series.set(value) }
    func increment(by amount: Double) { series.add(amount) }
    func decrement(by amount: Double) { series.add(-amount) }
  }
#endif
