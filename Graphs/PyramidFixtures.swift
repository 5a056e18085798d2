// The embedded default model as a resource of a product, so that a policy author's tests find it wherever the package was
// built, without a path into a checkout. It lies here because a resource lies in its target's folder.

import Foundation

/// A real checkpoint and labelled texts for tests of policies.
public enum PyramidFixtures {
  /// Folder of a checkpoint: MiniLM-L6 for the 14 classes of DBpedia, with exit heads and learned pruning thresholds;
  /// see its PROVENANCE.md.
  public static let dbpedia14 = Bundle.module.resourceURL!.appendingPathComponent("dbpedia14").path

  /// File of 500 texts that the checkpoint did not see in training, `label<TAB>text`.
  public static let dbpedia14Texts = dbpedia14 + "/sample.tsv"
}
