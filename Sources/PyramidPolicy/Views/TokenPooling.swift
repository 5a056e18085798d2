// What becomes of the tokens that do not stay where they are not just dropped: into which row each goes, and with which
// share. Beside the selection for the same reason: a runtime and a policy author's tests must pool alike.

/// The engine's pooling of tokens: rows that stay, as sums of shares of those that were.
public enum TokenPooling {
  /// Fuses the tokens of a sample that are not among the `kept` first of `keep`, places in rising order: appends -1, which
  /// stands for the row that they become, and returns how many rows there are then.
  ///
  /// `targets` [count] receives the number of each token's row, `shares` [count] its part in it: 1 for a token that stays,
  /// and for the others its score's in the sum of theirs, where scores below 0, and all if their sum is not above 0 and
  /// finite, count alike.
  public static func fuse(
    scores: UnsafePointer<Float>, count: Int, kept: Int, keep: UnsafeMutablePointer<Int32>,
    targets: UnsafeMutablePointer<Int32>, shares: UnsafeMutablePointer<Float>
  ) -> Int {
    var (next, sum) = (0, 0.0)
    for token in 0..<count {
      let stays = next < kept && Int(keep[next]) == token
      targets[token] = Int32(truncatingIfNeeded: stays ? next : kept)
      shares[token] = stays ? 1 : max(scores[token], 0)
      if stays { next += 1 } else { sum += Double(shares[token]) }
    }
    if kept == count { return count }
    let isSound = sum > 0 && sum.isFinite
    for token in 0..<count where Int(targets[token]) == kept {
      shares[token] = Float(isSound ? Double(shares[token]) / sum : 1 / Double(count - kept))
    }
    keep[kept] = -1
    return kept + 1
  }

  /// Sends the tokens of a sample where a merging policy says: `targets` [count] holds places of tokens on entry, the
  /// numbers of rows on return. Writes the places that stay to `keep`, in rising order, and returns how many there are.
  ///
  /// `sizes` [count] are the tokens that each row stands for, nil for one each; `merged` receives those of the rows that
  /// stay, `shares` [count] each token's part in its row. See `MergingPolicy.merge` for targets that take nobody in.
  public static func merge(
    targets: UnsafeMutablePointer<Int32>, sizes: UnsafePointer<Float>?, count: Int, keep: UnsafeMutablePointer<Int32>,
    merged: UnsafeMutablePointer<Float>, shares: UnsafeMutablePointer<Float>
  ) -> Int {
    // First who stays: `shares` notes 1 for those whose target is their own place, as they said.
    for token in 0..<count { shares[token] = Int(targets[token]) == token || token == 0 ? 1 : 0 }
    var kept = 0
    for token in 0..<count {
      let target = Int(targets[token])
      if shares[token] == 0, target > 0, target < count, shares[target] == 1 { continue }
      targets[token] = Int32(truncatingIfNeeded: token)
      keep[kept] = Int32(truncatingIfNeeded: token)
      merged[kept] = 0
      kept += 1
    }
    // A token that stays only because its target takes nobody in still holds 0, and takes nobody in either.
    for row in 0..<kept { targets[Int(keep[row])] = -1 - Int32(truncatingIfNeeded: row) }
    for token in 0..<count {
      let row = targets[token] < 0 ? targets[token] : targets[Int(targets[token])]
      shares[token] = sizes?[token] ?? 1
      merged[Int(-1 - row)] += shares[token]
    }
    for token in 0..<count where targets[token] >= 0 { targets[token] = -1 - targets[Int(targets[token])] }
    for row in 0..<kept { targets[Int(keep[row])] = Int32(truncatingIfNeeded: row) }
    for token in 0..<count { shares[token] /= merged[Int(targets[token])] }
    return kept
  }
}
