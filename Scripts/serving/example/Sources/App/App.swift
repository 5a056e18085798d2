// POST /classify with a text as its body gives a label. At most 50 ms and four layers, and a bounded queue: what comes
// beyond is refused at once (429), and what the time runs out for while it waits is given up (504).

import Hummingbird
import MagicPyramid
import PyramidServing

@main
struct App {
  static func main() async throws {
    guard CommandLine.arguments.count == 2 else { fatalError("usage: App MODEL.mpc") }
    let classifier = try Classifier(path: CommandLine.arguments[1])
    // A model without a head up to there is a mistake that is better found now than by each request.
    try classifier.check(RequestTerms(maxLayers: 4))
    let gate = AdmissionGate(capacity: 65_536)
    let router = Router()
    router.post("/classify") { request, _ in
      let text = String(buffer: try await request.body.collect(upTo: 1 << 20))
      let encoding = classifier.encode(text)
      do {
        let answer = try await gate.admit(tokens: encoding.ids.count) {
          try await classifier.classify(
            encodings: [encoding], on: RequestTerms(maxLayers: 4, deadline: .now + .milliseconds(50)))[0]
        }
        return "\(answer.label) \(answer.score) after layer \(answer.answer.exitLayer)\n"
      } catch let error as ServingError {
        throw HTTPError(.tooManyRequests, message: error.description)
      } catch let error as DeadlinePassed {
        throw HTTPError(.gatewayTimeout, message: error.description)
      }
    }
    try await Application(router: router).runService()
  }
}
