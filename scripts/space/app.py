"""The Space: the page with the bundled network."""

from live_gradcam.web.space import main

if __name__ == "__main__":
    main()
