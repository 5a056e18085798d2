// Numbers in tables, on top of the fixed decimals that all tools print.

import PyramidFormats

/// A number with enough decimals to show three digits of it, at most six of them.
func significant(_ value: Double) -> String {
  let decimals = [100.0, 10, 1, 0.1, 0.01, 0.001].firstIndex { abs(value) >= $0 } ?? 6
  return decimal(value, decimals)
}

/// A probability with three digits after the point, or the bound that it is below.
func probability(_ value: Double) -> String { value < 0.001 ? "< 0.001" : decimal(value, 3) }
