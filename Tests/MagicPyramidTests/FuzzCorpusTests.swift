// The inputs that fuzzing starts from and those that once broke something, read again by each target; and a few thousand
// changes to them. Scripts/fuzz goes on from here for as long as one likes.

@testable import PyramidFuzz
import Testing

@Suite(.timeLimit(.minutes(5))) struct `Bytes that somebody else wrote` {
  @Test(arguments: FuzzTarget.allCases)
  func `are read or refused`(target: FuzzTarget) throws {
    let corpus = try target.corpus()
    #expect(!corpus.isEmpty)
    // Changes to what is refused at the first look would get no further.
    #expect(try corpus.prefix(40).count { try target.run($0) } > 0)
    for (name, input) in target.regressions() {
      do { try target.run(input) } catch { Issue.record("\(target.rawValue)/\(name): \(error)") }
    }
    var mutator = Mutator(corpus, seed: "test")
    let changed = [.artefact, .state].contains(target) ? 40 : 200
    let taken = try (0..<changed).count { _ in try target.run(mutator.next()) }
    // A record that makes no sense is one of the answers, not an error.
    #expect(taken < changed || target == .records, "\(taken) of \(changed) changes are taken")
  }

  /// Requests to start from that nobody understands would lead nowhere.
  @Test func `begin, for the server, with requests that it takes`() throws {
    for request in FuzzTarget.requests { try FuzzTarget.readRequest(request) }
  }

  @Test(arguments: FuzzTarget.allCases)
  func `are changed by chance, and alike by the same seed`(target: FuzzTarget) throws {
    var mutator = Mutator(try target.corpus(), seed: "other")
    let (one, two) = (mutator.next(), mutator.next())
    #expect(one != two)
    mutator = Mutator(try target.corpus(), seed: "other")
    #expect(mutator.next() == one)
  }
}
