// Profiles: what is written reads back, and a file whose counts don't add up is refused where they don't.

import PyramidFormats
import Testing

@Suite struct `Policy profile` {
  private static let profile = PolicyProfile(
    model: "m", checkpoint: "sha256:1", exit: "entropy(threshold=0.1)", prune: nil,
    layers: [
      PolicyProfile.Layer(
        samplesEntered: 9, samplesLeft: 4, tokensEntered: 90, tokensLeft: 30, tokensKept: 60, decidesExit: true),
      PolicyProfile.Layer(samplesEntered: 5, samplesLeft: 5, tokensEntered: 60, tokensLeft: 60),
    ])

  @Test func `What is written reads back`() throws {
    let folder = try TemporaryFolder()
    try Self.profile.write(to: folder.path("p.json"))
    var read = try PolicyProfile(path: folder.path("p.json"))
    #expect(read.file == folder.path("p.json"))
    read.file = ""
    #expect(read == Self.profile && read.samples == 9)
  }

  @Test(arguments: [
    ("\"magic-pyramid-profile\"", "\"profile\"", "is not a profile"),
    ("\"version\":1", "\"version\":2", "version: expected at most 1"),
    ("\"version\":1", "\"version\":1,\"colour\":1", "colour: is not a part of a profile"),
    ("\"samples_left\":4", "\"samples_left\":-1", "layers.0.samples_left"),
    ("\"samples_left\":4", "\"samples_left\":10", "layers.0.samples_left: expected at most 9"),
    ("\"samples_left\":4", "\"samples_left\":3", "layers.1.samples_entered: expected 6, found 5"),
    ("\"samples\":9", "\"samples\":8", "layers.0.samples_entered: expected 8, found 9"),
    ("\"samples\":9", "\"samples\":0", "samples: expected a positive integer"),
    ("\"tokens_entered\":60", "\"tokens_entered\":61", "layers.1: 0 samples stay with 1 tokens"),
    ("\"tokens_kept\":60", "\"tokens_kept\":59", "layers.1.tokens_entered: expected 59, found 60"),
    ("\"tokens_kept\":60", "\"tokens_kept\":61", "layers.0.tokens_kept: expected at most 60"),
    ("\"tokens_kept\":60", "\"tokens_kept\":1e1", "layers.0.tokens_kept: expected an integer"),
    ("\"samples_left\":5,", "", "layers.1.samples_left: missing"),
    (
      "\"samples_left\":5,\"tokens_entered\":60,\"tokens_left\":60,\"tokens_kept\":0",
      "\"samples_left\":4,\"tokens_entered\":60,\"tokens_left\":50,\"tokens_kept\":9",
      "layers.1.samples_left: expected 5, found 4"
    ),
    ("\"decides_exit\":true", "\"decides_exit\":1", "layers.0.decides_exit: expected true or false"),
    ("\"tokens_entered\":90", "\"tokens_entered\":999999999999999999999", "layers.0.tokens_entered: expected at most"),
  ])
  func `A profile that can't be true is refused where it can't`(text: String, forged: String, words: String) throws {
    let parts = JSONWriter.string(Self.profile.json).split(separator: text, maxSplits: 1)
    let forgery = parts[0] + forged + parts[1]
    let error = #expect(throws: FormatError.self) {
      try PolicyProfile(reading: JSONField(JSONReader.read(String(forgery), file: "p.json"), file: "p.json"))
    }
    #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
  }

  @Test func `A file of more than a mebibyte is not a profile`() throws {
    let folder = try TemporaryFolder()
    try folder.write("p.json", String(repeating: " ", count: 2 << 20) + "{}")
    #expect(throws: FormatError.self) { try PolicyProfile(path: folder.path("p.json")) }
  }
}
