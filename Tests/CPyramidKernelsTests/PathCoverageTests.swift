// Which code paths the kernels' tests are about. Tests take those that the machine has, so a path that it lacks is green with
// no case: this says which ran, and fails where one that has to run did not.
import Glibc
import Testing

@Suite struct `The code paths of this machine` {
  /// `MP_EXPECT_PATHS` names paths as tests print them, separated by semicolons.
  @Test func `are named, and hold those that are expected`() {
    let (here, all) = (Path.all.map(\.testDescription), Path.known.map(\.testDescription))
    let absent = all.filter { !here.contains($0) }
    print("code paths tested: \(here.joined(separator: "; ")). Not on this machine: \(absent.joined(separator: "; "))")
    let expected = getenv("MP_EXPECT_PATHS").map { String(cString: $0) } ?? "portable"
    for name in expected.split(separator: ";").map(String.init) {
      #expect(here.contains(name), "\(name) was to be tested and can't run here")
    }
  }
}
