"""The miniature's pictures: drawings, which are held out, and scenes of several."""
