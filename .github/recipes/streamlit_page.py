"""A page: upload a picture, choose a class, see where the evidence lies.

streamlit run streamlit_page.py
"""

from __future__ import annotations

import streamlit as st

import live_gradcam as lg


@st.cache_resource  # one network for all visitors
def load() -> lg.Explainer:
    """Load the network once."""
    return lg.Explainer(lg.load_classifier("scenes"))


explainer = load()
st.title("What does it see?")
upload = st.file_uploader("A picture", type=["png", "jpg", "jpeg", "webp"])
opacity = st.slider("Heat", 0.0, 1.0, 0.6)
chosen = st.selectbox("Explain", ["the best class", *explainer.classifier.labels])

if upload is None:
    st.info("Give it a drawing on white paper.")
else:
    try:
        explanation = explainer.explain(
            upload, classes=None if chosen == "the best class" else chosen
        )
    except lg.LiveGradcamError as error:
        st.error(str(error))
        st.stop()
    st.image(explanation.overlay(opacity=opacity), channels="BGR")
    for prediction in explanation.predictions:
        st.progress(prediction.probability or 0.0, prediction.label)
